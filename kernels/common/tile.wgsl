// A 64x64 block of a matrix product, for GPUs: 64 threads with 8x8 sums each.
//
// A kernel fills tile_a and tile_b for DEPTH steps of k at a time, with zeros beyond the end of k,
// then calls multiply_tiles. A thread's rows are 4y .. 4y + 3 and those 32 below, for its y of 0 .. 7,
// and its columns likewise: neighbouring threads then read neighbouring vectors.
//
// The steps are written out because every WGSL loop gets a counter against endless loops, which also
// keeps drivers from unrolling it, and sums indexed by a loop variable would not be in registers.

const DEPTH = 8u;
const THREADS = 64u;

// Four rows of a, or four columns of b, in each vector: [k][row / 4].
var<workgroup> tile_a: array<vec4<f32>, 128>;
var<workgroup> tile_b: array<vec4<f32>, 128>;

// Upper left, upper right, lower left, lower right of the thread's sums, row by row.
var<private> c: array<mat4x4<f32>, 4>;

/// The place of a vector in a tile that one thread fills.
struct Slot { k: u32, quad: u32 }

/// Both slots of a thread, half = 0 and 1, with neighbouring threads at neighbouring k.
fn slot_along_k(thread: u32, half: u32) -> Slot { return Slot(thread % 8u, thread / 8u + 8u * half); }

/// Both slots of a thread, half = 0 and 1, with neighbouring threads at neighbouring rows or columns.
fn slot_across(thread: u32, half: u32) -> Slot { return Slot(thread / 16u + 4u * half, thread % 16u); }

fn step(k: u32, x: u32, y: u32) {
  let upper = tile_a[16u * k + y];
  let lower = tile_a[16u * k + y + 8u];
  let left = tile_b[16u * k + x];
  let right = tile_b[16u * k + x + 8u];
  c[0] += outer(upper, left);
  c[1] += outer(upper, right);
  c[2] += outer(lower, left);
  c[3] += outer(lower, right);
}

/// Adds the product of the filled tiles; afterwards they may be filled again.
fn multiply_tiles(thread: u32) {
  let x = thread % 8u;
  let y = thread / 8u;
  workgroupBarrier();
  step(0u, x, y);
  step(1u, x, y);
  step(2u, x, y);
  step(3u, x, y);
  step(4u, x, y);
  step(5u, x, y);
  step(6u, x, y);
  step(7u, x, y);
  workgroupBarrier();
}

/// Row of the block that holds line `i` of 16 of the thread's sums: row i % 4 of matrix i / 4.
fn row_of(thread: u32, i: u32) -> u32 { return thread / 8u * 4u + i / 8u * 32u + i % 4u; }

/// The four columns of that line.
fn columns_of(thread: u32, i: u32) -> vec4<u32> {
  return thread % 8u * 4u + i / 4u % 2u * 32u + vec4<u32>(0u, 1u, 2u, 3u);
}
