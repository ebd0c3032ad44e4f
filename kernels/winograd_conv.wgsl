// Convolution 3x3 at stride 1 by F(2x2, 3x3) of Winograd (Lavin and Gray 2016), for GPUs, in one pass:
// of each tile of 2x2 outputs, a window of 4x4 of x becomes 16 numbers, these are multiplied with those
// of the weights and summed over channels, and 16 sums become the outputs.
//
//   x    [batch, I, h, w]     zero outside
//   u    [16, I + .., O]      numbers of the weights, up to whole turns of the channels
//   out  [batch, O, oh, ow]
//
// One workgroup per 32 channels of 8 x 4 tiles of a sample. The 16 products are those of 16 threads
// each, 8 channels by 8 tiles of one number in a thread. A turn is three input channels. While they are
// multiplied, the numbers of the next three are made ready: some threads make them of a patch of x, a
// row of numbers of four tiles each, others fetch those of the weights; and all fetch the patch of
// those after that. So there is one barrier a turn.
//
// Constants: ROW_GROUPS workgroups in a row of the grid, those of common/sums.wgsl, with 8 x 8 sums a
// thread in one slice, and U_AT_ONCE (4 or 1), how many channels are loaded at once.

struct Params { batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32, pad: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       u: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Input channels of a turn.
const DEPTH = 3u;
const CHANNELS = 32u;
/// Outputs of a workgroup.
const WIDTH = 16u;
const HEIGHT = 8u;
/// Of the windows of all tiles.
const PATCH_WIDTH = WIDTH + 2u;
const PATCH = PATCH_WIDTH * (HEIGHT + 2u);
const PATCHES = DEPTH * PATCH;

// Patches, twice. Lines go by groups of eight columns, those under four tiles, and a column that is there
// for the banks: no two windows then begin in the same.
var<workgroup> patches: array<array<array<array<array<f32, 9>, 3>, HEIGHT + 2u>, DEPTH>, 2>;

// Of weights, then of tiles, twice: numbers by rows and columns, each of the channels of the turn, in
// vectors of four output channels, or of four tiles side by side. The vectors of every other number
// are turned around, for the banks.
var<workgroup> numbers: array<array<array<array<array<vec4<f32>, 8>, DEPTH>, 4>, 4>, 4>;

/// Where a vector lies in its line.
fn turned(vector: u32, number: u32) -> u32 { return vector ^ (number % 2u * 4u); }

/// The first channel, the sample and the first output of a workgroup.
struct Block { channel: u32, n: u32, y: u32, x: u32 }

/// An element of the patches, where it is in x for the first channels, and whether.
struct Slot { k: u32, line: u32, group: u32, column: u32, at: u32, inside: bool }

fn slot_at(number: u32, block: Block) -> Slot {
  let k = number / PATCH;
  let line = number % PATCH / PATCH_WIDTH;
  let column = number % PATCH % PATCH_WIDTH;
  let y = block.y - p.pad + line;
  let left = block.x - p.pad + column;
  let at = ((block.n * p.I + k) * p.h + y) * p.w + left;
  return Slot(k, line, column / 8u, column % 8u, at, y < p.h && left < p.w);
}

// What is on its way to the patches, and to the numbers of the weights.
var<private> pixels: vec3<f32>;
var<private> of_weights: array<vec4<f32>, DEPTH>;

/// What is there beside the image, or beyond the last channel, is some value that `keep` leaves out.
fn fetch_patch(slots: array<Slot, 3>, i: u32) {
  let first = i * p.h * p.w;
  pixels = vec3<f32>(load_x(slots[0].at + first), load_x(slots[1].at + first),
    load_x(slots[2].at + first));
}

fn keep(slot: Slot, value: f32, i: u32, half: u32) {
  patches[half][slot.k][slot.line][slot.group][slot.column] =
    select(0.0, value, slot.inside && i + slot.k < p.I);
}

/// Keeps what was fetched for input channels from i on.
fn keep_patch(slots: array<Slot, 3>, thread: u32, i: u32, half: u32) {
  keep(slots[0], pixels.x, i, half);
  keep(slots[1], pixels.y, i, half);
  if (thread + 2u * THREADS < PATCHES) { keep(slots[2], pixels.z, i, half); }
}

/// Vectors of a number of the weights that a thread fetches, where they are in memory for channel 0, and
/// in their line.
struct Share { row: u32, column: u32, at: u32, last: u32, vector: u32 }

fn share_of(thread: u32, block: Block) -> Share {
  let number = thread / 8u % 16u;
  let quad = thread % 8u;
  let row = number * ((p.I + DEPTH - 1u) / DEPTH * DEPTH) * p.O;
  let first = min(block.channel + 4u * quad, p.O - U_AT_ONCE);
  return Share(number / 4u, number % 4u, row + first, p.O - 1u - first, turned(quad, number));
}

fn weights_at(share: Share, i: u32) -> vec4<f32> {
  let at = share.at + i * p.O;
  if (U_AT_ONCE == 4u) { return load4_u(at / 4u); }
  return vec4<f32>(load_u(at), load_u(at + min(1u, share.last)), load_u(at + min(2u, share.last)),
    load_u(at + min(3u, share.last)));
}

fn fetch_weights(share: Share, i: u32) {
  of_weights[0] = weights_at(share, i);
  of_weights[1] = weights_at(share, i + 1u);
  of_weights[2] = weights_at(share, i + 2u);
}

fn keep_weights(share: Share, half: u32) {
  numbers[2u * half][share.row][share.column][0][share.vector] = of_weights[0];
  numbers[2u * half][share.row][share.column][1][share.vector] = of_weights[1];
  numbers[2u * half][share.row][share.column][2][share.vector] = of_weights[2];
}

/// Of which channel and tiles a thread makes a row of numbers, and of which two lines of the patch, one
/// of which may count negative.
struct Windows { k: u32, row: u32, quad: u32, turned: u32, group: u32, a: u32, b: u32, sign: f32 }

fn windows_of(thread: u32) -> Windows {
  let row = thread / 8u % 4u;
  let quad = thread % 8u;
  let line = quad / 2u * 2u;
  return Windows(thread / 32u, row, quad, turned(quad, 1u), quad % 2u,
    line + select(select(1u, 2u, row == 2u), 0u, row == 0u),
    line + select(select(2u, 1u, row == 2u), 3u, row == 3u), select(-1.0, 1.0, row == 1u));
}

/// Bᵀ d of one of the ten columns that four windows side by side have.
fn made(its: Windows, half: u32, column: u32) -> f32 {
  let group = its.group + column / 8u;
  return patches[half][its.k][its.a][group][column % 8u] +
    its.sign * patches[half][its.k][its.b][group][column % 8u];
}

/// Bᵀ d B of four windows side by side, a row of it.
fn make_numbers(its: Windows, half: u32) {
  let d0 = made(its, half, 0u);
  let d1 = made(its, half, 1u);
  let d2 = made(its, half, 2u);
  let d3 = made(its, half, 3u);
  let d4 = made(its, half, 4u);
  let d5 = made(its, half, 5u);
  let d6 = made(its, half, 6u);
  let d7 = made(its, half, 7u);
  let d8 = made(its, half, 8u);
  let d9 = made(its, half, 9u);
  let column0 = vec4<f32>(d0, d2, d4, d6);
  let column1 = vec4<f32>(d1, d3, d5, d7);
  let column2 = vec4<f32>(d2, d4, d6, d8);
  let column3 = vec4<f32>(d3, d5, d7, d9);
  numbers[2u * half + 1u][its.row][0][its.k][its.quad] = column0 - column2;
  numbers[2u * half + 1u][its.row][1][its.k][its.turned] = column1 + column2;
  numbers[2u * half + 1u][its.row][2][its.k][its.quad] = column2 - column1;
  numbers[2u * half + 1u][its.row][3][its.k][its.turned] = column1 - column3;
}

/// Where a thread's sums are: of which number, and its vectors of channels and of tiles in their lines.
struct Place { row: u32, column: u32, upper: u32, lower: u32, left: u32, right: u32 }

fn place_of(thread: u32) -> Place {
  let column = thread / 16u % 4u;
  let y = thread / 4u % 4u;
  let x = thread % 4u;
  return Place(thread / 64u, column, turned(y, column), turned(y, column + 1u), turned(x, column),
    turned(x, column + 1u));
}

/// Adds the products of an input channel.
fn step(half: u32, k: u32, at: Place) {
  let upper = numbers[2u * half][at.row][at.column][k][at.upper];
  let left = numbers[2u * half + 1u][at.row][at.column][k][at.left];
  add_product(0u, upper, left);
  let right = numbers[2u * half + 1u][at.row][at.column][k][at.right];
  add_product(1u, upper, right);
  let lower = numbers[2u * half][at.row][at.column][k][at.lower];
  add_product(2u, lower, left);
  add_product(3u, lower, right);
}

/// A row of numbers of one tile.
fn sums_at(y: u32, row: u32, pair: u32, vector: u32, tile: u32) -> vec4<f32> {
  return vec4<f32>(numbers[y][row][0][pair][vector][tile], numbers[y][row][1][pair][vector][tile],
    numbers[y][row][2][pair][vector][tile], numbers[y][row][3][pair][vector][tile]);
}

/// Gives out matrix m of every thread: 4 x 4 channels by 16 tiles, whose sums of all numbers meet here.
fn give(m: u32, at: Place, thread: u32, block: Block) {
  let y = thread / 4u % 4u;
  let x = thread % 4u;
  workgroupBarrier();
  numbers[y][at.row][at.column][0][turned(x, y)] = c[m][0];
  numbers[y][at.row][at.column][0][turned(x, y + 1u)] = c[m][1];
  numbers[y][at.row][at.column][1][turned(x, y)] = c[m][2];
  numbers[y][at.row][at.column][1][turned(x, y + 1u)] = c[m][3];
  workgroupBarrier();
  let tile = thread % 4u;
  let vector = thread / 4u % 8u;
  let pair = thread / 32u % 2u;
  let of_y = thread / 64u;
  let row0 = sums_at(of_y, 0u, pair, vector, tile);
  let row1 = sums_at(of_y, 1u, pair, vector, tile);
  let row2 = sums_at(of_y, 2u, pair, vector, tile);
  let row3 = sums_at(of_y, 3u, pair, vector, tile);
  let upper = row0 + row1 + row2;
  let lower = row1 - row2 - row3;
  let o = block.channel + m / 2u * 16u + of_y * 4u + pair * 2u + (vector / 4u + of_y) % 2u;
  let top = block.y + m % 2u * 4u + vector % 4u / 2u * 2u;
  let left = block.x + vector % 2u * 8u + tile * 2u;
  if (o >= p.O || block.n >= p.batch) { return; }
  let line = ((block.n * p.O + o) * p.oh + top) * p.ow;
  put(line + left, top < p.oh && left < p.ow, upper.x + upper.y + upper.z);
  put(line + left + 1u, top < p.oh && left + 1u < p.ow, upper.y - upper.z - upper.w);
  put(line + p.ow + left, top + 1u < p.oh && left < p.ow, lower.x + lower.y + lower.z);
  put(line + p.ow + left + 1u, top + 1u < p.oh && left + 1u < p.ow, lower.y - lower.z - lower.w);
}

fn put(at: u32, inside: bool, value: f32) {
  if (inside) { out[at] = epilogue(value, at); }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let number = group.y * ROW_GROUPS + group.x;
  let across = (p.ow + WIDTH - 1u) / WIDTH;
  let down = (p.oh + HEIGHT - 1u) / HEIGHT;
  let block = Block(group.z * CHANNELS, number / (across * down),
    number / across % down * HEIGHT, number % across * WIDTH);

  let at = place_of(thread);
  let slots = array<Slot, 3>(slot_at(thread, block), slot_at(thread + THREADS, block),
    slot_at(thread + 2u * THREADS, block));
  let makes = thread < 32u * DEPTH;
  let fetches = thread >= 128u;
  let windows = windows_of(thread);
  let share = share_of(thread, block);

  fetch_patch(slots, 0u);
  keep_patch(slots, thread, 0u, 0u);
  fetch_patch(slots, DEPTH);
  if (fetches) { fetch_weights(share, 0u); }
  workgroupBarrier();
  if (makes) { make_numbers(windows, 0u); }
  if (fetches) { keep_weights(share, 0u); }
  keep_patch(slots, thread, DEPTH, 1u);
  var half = 0u;
  for (var i = 0u; i < p.I; i += DEPTH) {
    workgroupBarrier();
    fetch_patch(slots, i + 2u * DEPTH);
    if (fetches) { fetch_weights(share, i + DEPTH); }
    step(half, 0u, at);
    step(half, 1u, at);
    step(half, 2u, at);
    keep_patch(slots, thread, i + 2u * DEPTH, half);
    half = 1u - half;
    if (makes) { make_numbers(windows, half); }
    if (fetches) { keep_weights(share, half); }
  }

  give(0u, at, thread, block);
  give(1u, at, thread, block);
  give(2u, at, thread, block);
  give(3u, at, thread, block);
}
