// Fragments of common/matrix.wgsl by Dawn's experimental subgroup matrices: EDGE x EDGE factors in f16
// and sums in f32, spread over the threads of a subgroup. All of a subgroup has to make each call,
// with the same arguments. In an array of vectors, places and strides count vectors.

alias Quad = vec4<f16>;
alias Left = subgroup_matrix_left<f16, EDGE, EDGE>;
alias Right = subgroup_matrix_right<f16, EDGE, EDGE>;
alias Sums = subgroup_matrix_result<f32, EDGE, EDGE>;

fn quad_of(v: vec4<f32>) -> Quad { return Quad(v); }

fn left_along_k(at: u32) -> Left {
  return subgroupMatrixLoad<Left, col_major>(&tile_a, at, PITCH_A);
}

fn left_across(at: u32) -> Left {
  return subgroupMatrixLoad<Left, row_major>(&tile_a, at, PITCH_A);
}

fn right_along_k(at: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&tile_b, at, PITCH_B);
}

fn right_across(at: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&tile_b, at, PITCH_B);
}

fn multiply(a: Left, b: Right, sums: Sums) -> Sums {
  return subgroupMatrixMultiplyAccumulate(a, b, sums);
}

fn store_sums(at: u32, sums: Sums) { subgroupMatrixStore<row_major>(&fragments, at, sums, EDGE); }

/// Until all threads of the subgroup are here. WGSL has no smaller barrier than that of a workgroup.
fn wait_for_subgroup() { workgroupBarrier(); }
