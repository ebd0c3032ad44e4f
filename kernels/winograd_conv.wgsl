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

/// Vectors of a number of the weights that a thread fetches, and where they are for channel 0.
struct Share { number: u32, quad: u32, at: u32 }

fn share_of(thread: u32, block: Block) -> Share {
  let number = thread / 8u % 16u;
  let quad = thread % 8u;
  let row = number * ((p.I + DEPTH - 1u) / DEPTH * DEPTH) * p.O;
  return Share(number, quad, row + min(block.channel + 4u * quad, p.O - U_AT_ONCE));
}

fn weights_at(share: Share, block: Block, i: u32) -> vec4<f32> {
  let at = share.at + i * p.O;
  if (U_AT_ONCE == 4u) { return load4_u(at / 4u); }
  let last = p.O - 1u - min(p.O - 1u, block.channel + 4u * share.quad);
  return vec4<f32>(load_u(at), load_u(at + min(1u, last)), load_u(at + min(2u, last)),
    load_u(at + min(3u, last)));
}

fn fetch_weights(share: Share, block: Block, i: u32) {
  of_weights[0] = weights_at(share, block, i);
  of_weights[1] = weights_at(share, block, i + 1u);
  of_weights[2] = weights_at(share, block, i + 2u);
}

fn keep_weights(share: Share, half: u32) {
  let vector = turned(share.quad, share.number);
  numbers[2u * half][share.number / 4u][share.number % 4u][0][vector] = of_weights[0];
  numbers[2u * half][share.number / 4u][share.number % 4u][1][vector] = of_weights[1];
  numbers[2u * half][share.number / 4u][share.number % 4u][2][vector] = of_weights[2];
}

/// Bᵀ of column `column`, one of ten that four tiles side by side have, in the row of a thread.
fn made(half: u32, k: u32, a: u32, b: u32, sign: f32, group: u32, column: u32) -> f32 {
  return patches[half][k][a][group + column / 8u][column % 8u] +
    sign * patches[half][k][b][group + column / 8u][column % 8u];
}

/// Bᵀ d B of four tiles side by side, of which a thread makes a row.
fn make_numbers(thread: u32, half: u32) {
  let k = thread / 32u;
  let row = thread / 8u % 4u;
  let quad = thread % 8u;
  let group = quad % 2u;
  let a = quad / 2u * 2u + select(select(1u, 2u, row == 2u), 0u, row == 0u);
  let b = quad / 2u * 2u + select(select(2u, 1u, row == 2u), 3u, row == 3u);
  let sign = select(-1.0, 1.0, row == 1u);
  let d0 = made(half, k, a, b, sign, group, 0u);
  let d1 = made(half, k, a, b, sign, group, 1u);
  let d2 = made(half, k, a, b, sign, group, 2u);
  let d3 = made(half, k, a, b, sign, group, 3u);
  let d4 = made(half, k, a, b, sign, group, 4u);
  let d5 = made(half, k, a, b, sign, group, 5u);
  let d6 = made(half, k, a, b, sign, group, 6u);
  let d7 = made(half, k, a, b, sign, group, 7u);
  let d8 = made(half, k, a, b, sign, group, 8u);
  let d9 = made(half, k, a, b, sign, group, 9u);
  let column0 = vec4<f32>(d0, d2, d4, d6);
  let column1 = vec4<f32>(d1, d3, d5, d7);
  let column2 = vec4<f32>(d2, d4, d6, d8);
  let column3 = vec4<f32>(d3, d5, d7, d9);
  let to = 2u * half + 1u;
  numbers[to][row][0][k][quad] = column0 - column2;
  numbers[to][row][1][k][turned(quad, 1u)] = column1 + column2;
  numbers[to][row][2][k][quad] = column2 - column1;
  numbers[to][row][3][k][turned(quad, 1u)] = column1 - column3;
}

/// Where a thread's sums are: of which number, and its first vectors of channels and of tiles.
struct Place { row: u32, column: u32, y: u32, x: u32 }

/// Adds the products of an input channel.
fn step(half: u32, k: u32, at: Place) {
  let upper = numbers[2u * half][at.row][at.column][k][turned(at.y, at.column)];
  let left = numbers[2u * half + 1u][at.row][at.column][k][turned(at.x, at.column)];
  add_product(0u, upper, left);
  let right = numbers[2u * half + 1u][at.row][at.column][k][turned(at.x, at.column + 1u)];
  add_product(1u, upper, right);
  let lower = numbers[2u * half][at.row][at.column][k][turned(at.y, at.column + 1u)];
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
  workgroupBarrier();
  numbers[at.y][at.row][at.column][0][turned(at.x, at.y)] = c[m][0];
  numbers[at.y][at.row][at.column][0][turned(at.x, at.y + 1u)] = c[m][1];
  numbers[at.y][at.row][at.column][1][turned(at.x, at.y)] = c[m][2];
  numbers[at.y][at.row][at.column][1][turned(at.x, at.y + 1u)] = c[m][3];
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
  let y = block.y + m % 2u * 4u + vector % 4u / 2u * 2u;
  let left = block.x + vector % 2u * 8u + tile * 2u;
  if (o >= p.O || block.n >= p.batch) { return; }
  let line = ((block.n * p.O + o) * p.oh + y) * p.ow;
  put(line + left, y < p.oh && left < p.ow, upper.x + upper.y + upper.z);
  put(line + left + 1u, y < p.oh && left + 1u < p.ow, upper.y - upper.z - upper.w);
  put(line + p.ow + left, y + 1u < p.oh && left < p.ow, lower.x + lower.y + lower.z);
  put(line + p.ow + left + 1u, y + 1u < p.oh && left + 1u < p.ow, lower.y - lower.z - lower.w);
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

  let at = Place(thread / 64u, thread / 16u % 4u, thread / 4u % 4u, thread % 4u);
  let slots = array<Slot, 3>(slot_at(thread, block), slot_at(thread + THREADS, block),
    slot_at(thread + 2u * THREADS, block));
  let makes = thread < 32u * DEPTH;
  let fetches = thread >= 128u;
  let share = share_of(thread, block);

  fetch_patch(slots, 0u);
  keep_patch(slots, thread, 0u, 0u);
  fetch_patch(slots, DEPTH);
  if (fetches) { fetch_weights(share, block, 0u); }
  workgroupBarrier();
  if (makes) { make_numbers(thread, 0u); }
  if (fetches) { keep_weights(share, 0u); }
  keep_patch(slots, thread, DEPTH, 1u);
  var half = 0u;
  for (var i = 0u; i < p.I; i += DEPTH) {
    workgroupBarrier();
    fetch_patch(slots, i + 2u * DEPTH);
    if (fetches) { fetch_weights(share, block, i + DEPTH); }
    step(half, 0u, at);
    step(half, 1u, at);
    step(half, 2u, at);
    keep_patch(slots, thread, i + 2u * DEPTH, half);
    half = 1u - half;
    if (makes) { make_numbers(thread, half); }
    if (fetches) { keep_weights(share, half); }
  }

  give(0u, at, thread, block);
  give(1u, at, thread, block);
  give(2u, at, thread, block);
  give(3u, at, thread, block);
}
