// What common/tile.wgsl and conv_patch.wgsl multiply, in half precision, two products an instruction
// where a GPU can. Sums of such products are in half precision for the 8 or 9 steps of a turn: those
// that began a turn with more than that would lose the small ones.

/// Four factors in a tile.
alias Quad = vec4<f16>;

// The thread's sums of this turn.
var<private> turn_sums: array<mat4x4<f16>, SUMS>;

/// Adds the products of four rows and four columns to matrix i of the turn's sums.
fn add_product(i: u32, rows: Quad, columns: Quad) {
  turn_sums[i] = mat4x4<f16>(
    fma(Quad(rows.x), columns, turn_sums[i][0]),
    fma(Quad(rows.y), columns, turn_sums[i][1]),
    fma(Quad(rows.z), columns, turn_sums[i][2]),
    fma(Quad(rows.w), columns, turn_sums[i][3]),
  );
}

/// Adds the turn's sums to all before.
fn end_turn() {
  end_matrix(0u);
  if (SUMS > 1u) { end_matrix(1u); }
  if (SUMS > 2u) {
    end_matrix(2u);
    end_matrix(3u);
  }
}

fn end_matrix(i: u32) {
  c[i] += mat4x4<f32>(turn_sums[i]);
  turn_sums[i] = mat4x4<f16>();
}

