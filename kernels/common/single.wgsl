// What common/tile.wgsl and conv_patch.wgsl multiply, in single precision.

/// Four factors in a tile.
alias Quad = vec4<f32>;

/// Adds the products of four rows and four columns to matrix i of the sums.
fn add_product(i: u32, rows: Quad, columns: Quad) { c[i] += outer(rows, columns); }

/// All products of a turn are there.
fn end_turn() {}

