// Takes the place of common/subgroup_matrix.wgsl where no adapter has tensor cores: subgroups of one
// thread, which has the whole of each fragment of 4x4 and multiplies it in plain arithmetic. All else
// of a kernel (tiles, loaders, padding, what is stored where) runs as it is.

alias Quad = vec4<f32>;
alias Left = mat4x4<f32>;
alias Right = mat4x4<f32>;
alias Sums = mat4x4<f32>;

fn quad_of(v: vec4<f32>) -> Quad { return quantizeToF16(v); }

fn four_of_a(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(
    tile_a[at], tile_a[at + PITCH_A], tile_a[at + 2u * PITCH_A], tile_a[at + 3u * PITCH_A],
  );
}

fn four_of_b(at: u32) -> mat4x4<f32> {
  return mat4x4<f32>(
    tile_b[at], tile_b[at + PITCH_B], tile_b[at + 2u * PITCH_B], tile_b[at + 3u * PITCH_B],
  );
}

fn left_along_k(at: u32) -> Left { return four_of_a(at); }

fn left_across(at: u32) -> Left { return transpose(four_of_a(at)); }

fn right_along_k(at: u32) -> Right { return transpose(four_of_b(at)); }

fn right_across(at: u32) -> Right { return four_of_b(at); }

fn multiply(a: Left, b: Right, sums: Sums) -> Sums { return a * b + sums; }

fn store_sums(at: u32, sums: Sums) {
  let rows = transpose(sums);
  store_row(at, rows[0]);
  store_row(at + 4u, rows[1]);
  store_row(at + 8u, rows[2]);
  store_row(at + 12u, rows[3]);
}

fn store_row(at: u32, row: vec4<f32>) {
  fragments[at] = row.x;
  fragments[at + 1u] = row.y;
  fragments[at + 2u] = row.z;
  fragments[at + 3u] = row.w;
}

fn wait_for_subgroup() {}
