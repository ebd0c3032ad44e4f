// A block of a matrix product on tensor cores: 2*DOWN subgroups, each with 2x4 fragments of
// EDGE x EDGE sums in f32, of factors rounded to f16.
//
// A kernel fills tile_a and tile_b for DEPTH steps of k at a time, four values to a vector, with zeros
// beyond the end of k, and adds their product to its sums by multiply_tiles. Where neighbouring k lie
// side by side in memory, a vector holds four rows (or columns) at one k and neighbouring threads
// fill neighbouring k; elsewhere it holds four k of one row and neighbouring threads fill
// neighbouring rows. Both ways they read what lies side by side and store whole vectors. In the end
// write_block gives every sum to `put`, which the kernel defines.
//
// Constants: EDGE of a fragment; SUBGROUP threads in a subgroup; DOWN subgroups of rows, by two of
// columns; THREADS; DEPTH, a multiple of EDGE; A_ALONG_K and B_ALONG_K (0 or 1), how the tiles lie;
// TILES_A, as many tiles of a lie behind each other; PADDING, values between two lines of a tile, so
// that these start in different banks. What a fragment is: common/subgroup_matrix.wgsl.

const ROWS = 2u * EDGE * DOWN;
const COLUMNS = 8u * EDGE;

/// Vectors from one line of a tile to the next, and in all.
const PITCH_A = (PADDING + select(DEPTH, ROWS, A_ALONG_K == 1u)) / 4u;
const PITCH_B = (PADDING + select(DEPTH, COLUMNS, B_ALONG_K == 1u)) / 4u;
const SIZE_A = PITCH_A * select(ROWS, DEPTH, A_ALONG_K == 1u);
const SIZE_B = PITCH_B * select(COLUMNS, DEPTH, B_ALONG_K == 1u);

var<workgroup> tile_a: array<Quad, SIZE_A * TILES_A>;
var<workgroup> tile_b: array<Quad, SIZE_B>;
/// One fragment of each subgroup, row by row.
var<workgroup> fragments: array<f32, 2u * DOWN * EDGE * EDGE>;

/// The sums of a subgroup, row by row of fragments. Indexed by constants only, so as to be registers.
alias Block = array<Sums, 8>;

/// What slot number `i` of a tile holds: line `line` at steps k, or lines `line` at step k.
struct Slot { line: vec4<u32>, k: vec4<u32>, at: u32 }

const FOUR = vec4<u32>(0u, 1u, 2u, 3u);

/// Slots of tile_a; there are DEPTH * ROWS / 4.
fn slot_of_a(i: u32) -> Slot {
  if (A_ALONG_K == 1u) { return slot_along_k(i, PITCH_A); }
  return slot_across(i, ROWS, PITCH_A);
}

/// Slots of tile_b; there are DEPTH * COLUMNS / 4.
fn slot_of_b(i: u32) -> Slot {
  if (B_ALONG_K == 1u) { return slot_along_k(i, PITCH_B); }
  return slot_across(i, COLUMNS, PITCH_B);
}

fn slot_along_k(i: u32, pitch: u32) -> Slot {
  let k = i % DEPTH;
  let quad = i / DEPTH;
  return Slot(4u * quad + FOUR, vec4<u32>(k), k * pitch + quad);
}

fn slot_across(i: u32, lines: u32, pitch: u32) -> Slot {
  let line = i % lines;
  let quad = i / lines;
  return Slot(vec4<u32>(line), 4u * quad + FOUR, line * pitch + quad);
}

/// Adds the product of tile_b and one of the tiles of a. The tiles have to be there before it, and to
/// stay until all threads are done with it: a barrier on either side.
fn multiply_tiles(sums: ptr<function, Block>, thread: u32, tile: u32) {
  for (var k = 0u; k < DEPTH; k += EDGE) { multiply_step(sums, thread, tile, k); }
}

fn multiply_step(sums: ptr<function, Block>, thread: u32, tile: u32, k: u32) {
  let row = first_row(thread);
  let column = first_column(thread);
  let a0 = left(tile, row, k);
  let a1 = left(tile, row + EDGE, k);
  let b0 = right(column, k);
  let b1 = right(column + EDGE, k);
  let b2 = right(column + 2u * EDGE, k);
  let b3 = right(column + 3u * EDGE, k);
  (*sums)[0] = multiply(a0, b0, (*sums)[0]);
  (*sums)[1] = multiply(a0, b1, (*sums)[1]);
  (*sums)[2] = multiply(a0, b2, (*sums)[2]);
  (*sums)[3] = multiply(a0, b3, (*sums)[3]);
  (*sums)[4] = multiply(a1, b0, (*sums)[4]);
  (*sums)[5] = multiply(a1, b1, (*sums)[5]);
  (*sums)[6] = multiply(a1, b2, (*sums)[6]);
  (*sums)[7] = multiply(a1, b3, (*sums)[7]);
}

fn first_row(thread: u32) -> u32 { return thread / SUBGROUP / 2u * 2u * EDGE; }

fn first_column(thread: u32) -> u32 { return thread / SUBGROUP % 2u * 4u * EDGE; }

fn left(tile: u32, row: u32, k: u32) -> Left {
  if (A_ALONG_K == 1u) { return left_along_k(tile * SIZE_A + k * PITCH_A + row / 4u); }
  return left_across(tile * SIZE_A + row * PITCH_A + k / 4u);
}

fn right(column: u32, k: u32) -> Right {
  if (B_ALONG_K == 1u) { return right_along_k(k * PITCH_B + column / 4u); }
  return right_across(column * PITCH_B + k / 4u);
}

/// Gives the sums to put(), with their rows and columns in the block of the workgroup. They go by way
/// of workgroup memory, as nothing else tells which of them a thread holds.
fn write_block(sums: ptr<function, Block>, thread: u32, group: vec3<u32>) {
  let own = thread / SUBGROUP * EDGE * EDGE;
  for (var n = 0u; n < 8u; n++) {
    store_fragment(sums, n, own);
    wait_for_subgroup();
    let row = first_row(thread) + n / 4u * EDGE;
    let column = first_column(thread) + n % 4u * EDGE;
    for (var i = thread % SUBGROUP; i < EDGE * EDGE; i += SUBGROUP) {
      put(group, row + i / EDGE, column + i % EDGE, fragments[own + i]);
    }
    wait_for_subgroup();
  }
}

fn store_fragment(sums: ptr<function, Block>, n: u32, at: u32) {
  switch (n) {
    case 0u: { store_sums(at, (*sums)[0]); }
    case 1u: { store_sums(at, (*sums)[1]); }
    case 2u: { store_sums(at, (*sums)[2]); }
    case 3u: { store_sums(at, (*sums)[3]); }
    case 4u: { store_sums(at, (*sums)[4]); }
    case 5u: { store_sums(at, (*sums)[5]); }
    case 6u: { store_sums(at, (*sums)[6]); }
    default: { store_sums(at, (*sums)[7]); }
  }
}
