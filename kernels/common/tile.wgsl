// A block of a matrix product, for GPUs: ROWS x COLUMNS sums, TM x TN of them in each thread.
//
// A kernel fetches what DEPTH steps of k need into registers, keeps it in one half of the tiles, and
// while the next steps are on their way multiplies what lies in the other half: a barrier a turn.
// With several SLICES, as many parts of a workgroup do so for the same block, each with its own
// steps of k and tiles, and their sums are added in the end: for blocks too few to fill a GPU.
//
// Rows and columns go by quads. Those that are loaded one by one lie a quarter of the block apart:
// neighbouring threads then load, and store, neighbouring elements of memory, yet read vectors from
// the tiles. Where four neighbours are loaded at once, they are the quad. A line of a tile has one
// vector too many, so that threads with neighbouring k write to different banks.
//
// The steps are written out because every WGSL loop gets a counter against endless loops, which also
// keeps drivers from unrolling it, and sums indexed by a loop variable would not be in registers. Of
// an index into nested arrays each part is checked for itself: the parts that do not change in a
// turn are checked outside of it.
//
// In which precision it multiplies, with Quad and add_product, is another text: common/single.wgsl or
// common/half.wgsl. Sums are in single precision in either case.
//
// Constants: ROWS, COLUMNS, DEPTH (4 or 8), those of common/sums.wgsl, and A_AT_ONCE and B_AT_ONCE (4 or
// 1), how many rows, or columns, are loaded at once. A slice has at least as many threads as a tile
// has vectors.

const A_QUADS = ROWS / 4u;
const B_QUADS = COLUMNS / 4u;

/// Steps of k in a turn of the whole workgroup.
const TURN = DEPTH * SLICES;

// Two halves for each slice.
var<workgroup> tile_a: array<array<array<Quad, A_QUADS + 1u>, DEPTH>, 2u * SLICES>;
var<workgroup> tile_b: array<array<array<Quad, B_QUADS + 1u>, DEPTH>, 2u * SLICES>;

// Of a thread's sums, with eight columns: right of each matrix is the next one.
const RIGHT = TN / 4u - 1u;
const BELOW = (TM / 4u - 1u) * TN / 4u;

/// A vector of a tile that a thread fills: its line, which quad of rows or columns, and which step of
/// the workgroup's turn that is.
struct Slot { line: u32, quad: u32, k: u32 }

/// The slot of a thread; neighbours fill one quad at neighbouring k, or neighbouring quads.
fn slot_of(thread: u32, quads: u32, along_k: bool) -> Slot {
  let number = thread % SLICE;
  let first = thread / SLICE * DEPTH;
  let line = select(number / quads, number % DEPTH, along_k);
  return Slot(line, select(number % quads, number / DEPTH, along_k), first + line);
}

/// The four rows, or columns, of a quad within the block.
fn quad_of(quad: u32, quads: u32, at_once: u32) -> vec4<u32> {
  return quad * at_once + select(quads, 1u, at_once == 4u) * vec4<u32>(0u, 1u, 2u, 3u);
}

fn rows_of(quad: u32) -> vec4<u32> { return quad_of(quad, A_QUADS, A_AT_ONCE); }

fn columns_of(quad: u32) -> vec4<u32> { return quad_of(quad, B_QUADS, B_AT_ONCE); }

/// Keeps what threads fetched for their slots, where there is one for each.
fn keep(half: u32, at_a: Slot, a_values: vec4<f32>, at_b: Slot, b_values: vec4<f32>) {
  if (A_QUADS * DEPTH == SLICE || (at_a.line < DEPTH && at_a.quad < A_QUADS)) {
    tile_a[half][at_a.line][at_a.quad] = Quad(a_values);
  }
  if (B_QUADS * DEPTH == SLICE || (at_b.line < DEPTH && at_b.quad < B_QUADS)) {
    tile_b[half][at_b.line][at_b.quad] = Quad(b_values);
  }
}

/// Where a thread's sums are: the slice's first half, and the first quads of columns and rows.
struct Place { half: u32, x: u32, y: u32 }

/// Eight threads along a row, and four along a column, are neighbours: so they read the fewest
/// vectors.
fn place_of(thread: u32) -> Place {
  let first_half = thread / SLICE * 2u;
  let number = thread % SLICE;
  let across = COLUMNS / TN;
  if (across < 8u || ROWS / TM < 4u) {
    return Place(first_half, number % across, number / across);
  }
  let block = number / 32u;
  let blocks = across / 8u;
  let x = block % blocks * 8u + number % 8u;
  return Place(first_half, x, block / blocks * 4u + number / 8u % 4u);
}

fn step(half: u32, k: u32, at: Place) {
  let upper = tile_a[half][k][at.y];
  let left = tile_b[half][k][at.x];
  add_product(0u, upper, left);
  if (TN == 8u) { add_product(RIGHT, upper, tile_b[half][k][at.x + B_QUADS / 2u]); }
  if (TM == 8u) {
    let lower = tile_a[half][k][at.y + A_QUADS / 2u];
    add_product(BELOW, lower, left);
    if (TN == 8u) { add_product(BELOW + RIGHT, lower, tile_b[half][k][at.x + B_QUADS / 2u]); }
  }
}

/// Adds the product of one half of the tiles.
fn multiply(half: u32, at: Place) {
  step(half, 0u, at);
  step(half, 1u, at);
  step(half, 2u, at);
  step(half, 3u, at);
  if (DEPTH == 8u) {
    step(half, 4u, at);
    step(half, 5u, at);
    step(half, 6u, at);
    step(half, 7u, at);
  }
  end_turn();
}

/// Lines of four among a thread's sums: line i is row i % 4 of matrix i / 4.
const LINES = TM * TN / 4u;

/// Row of the block that holds line i.
fn line_row(at: Place, i: u32) -> u32 {
  return rows_of(at.y + i / TN * (A_QUADS / 2u))[i % 4u];
}

/// The four columns of that line.
fn line_columns(at: Place, i: u32) -> vec4<u32> {
  return columns_of(at.x + i / 4u % (TN / 4u) * (B_QUADS / 2u));
}
