// Convolution 3x3 at stride 1 or 2, or its transpose at stride 1, for GPUs: one patch of the image for all
// nine taps
//
//   out[n, o, y, x] = sum over i, ky, kx of
//     x[n, i, STRIDE y + start + ky, STRIDE x + start + kx] * w[o, i, ky, kx]
//
//   x    [batch, I, h, w]   zero outside; start is -pad
//   w    [O, I, 3, 3] or, for the transpose, [I, O, 3, 3] turned around; start is then pad - 2
//   out  [batch, O, oh, ow]
//
// One workgroup per ROWS channels of WIDTH x HEIGHT pixels of a sample, one thread per eight of these
// channels at 4 x 2 of these pixels. A turn is one input channel for each of SLICES parts of the
// workgroup: as in common/tile.wgsl, its weights and its patch, all pixels that meet a tap, are fetched
// while the channel before is multiplied. Taps differ in which registers they multiply.
//
// Constants: TRANSPOSED, STRIDE, ROW_GROUPS workgroups in a row of the grid, ROWS, WIDTH (32 or 8, for the
// banks), HEIGHT (even), those of common/sums.wgsl, with 8 x 8 sums a thread, and OUT_AT_ONCE (4 or 1),
// how many pixels are stored at once.

struct Params { batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32, pad: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

const TAPS = 9u;
/// Channels go by quads, four that lie a quarter of the block apart.
const CHANNEL_QUADS = ROWS / 4u;
/// Pixels go by four that are STRIDE apart; of the last such quad in a line of the patch, one or two are
/// read. At stride 2 those in odd columns come behind those in even ones.
const EVEN_QUADS = WIDTH / 4u + 1u;
const PATCH_QUADS = EVEN_QUADS + (STRIDE - 1u) * WIDTH / 4u;
const PATCH_LINES = STRIDE * (HEIGHT - 1u) + 3u;

// Two halves for each slice. Lines of patches go by those of a pair: what a thread adds to its pair is
// then a constant.
const PAIR_LINES = 2u * STRIDE;
const PAIRS = HEIGHT / 2u + 1u;
var<workgroup> weights: array<array<array<Quad, TAPS>, CHANNEL_QUADS>, 2u * SLICES>;
var<workgroup> patches:
  array<array<array<array<Quad, PATCH_QUADS>, PAIR_LINES>, PAIRS>, 2u * SLICES>;

/// The first channel, the sample and the first pixel of a workgroup.
struct Block { channel: u32, n: u32, y: u32, x: u32 }

/// A vector that a thread fills: weights of a tap, or else pixels of a line of the patch.
struct Slot {
  of_weights: bool,
  of_patch: bool,
  /// Tap or line.
  line: u32,
  quad: u32,
  /// Where its first element is in memory, for channel 0.
  at: u32,
  /// Which pixels are not outside of the image.
  inside: vec4<bool>,
}

/// Slots of weights come first. Of those beyond all, each is neither.
const WEIGHT_SLOTS = TAPS * CHANNEL_QUADS;
const SLOTS = WEIGHT_SLOTS + PATCH_LINES * PATCH_QUADS;

/// Neighbours fill one quad of channels at neighbouring taps, or neighbouring quads of pixels.
fn slot_at(number: u32, block: Block) -> Slot {
  if (number < WEIGHT_SLOTS) {
    let k = number % TAPS;
    let quad = number / TAPS;
    let channel = block.channel + quad;
    let at = select(channel * p.I * TAPS + k, channel * TAPS + TAPS - 1u - k, TRANSPOSED == 1u);
    return Slot(true, false, k, quad, at, vec4<bool>());
  }
  let line = (number - WEIGHT_SLOTS) / PATCH_QUADS;
  let quad = (number - WEIGHT_SLOTS) % PATCH_QUADS;
  let start = select(0u - p.pad, p.pad - 2u, TRANSPOSED == 1u);
  let y = STRIDE * block.y + start + line;
  let left = STRIDE * (block.x + 4u * (quad % EVEN_QUADS)) + start + quad / EVEN_QUADS;
  let inside = vec4<bool>(y < p.h) & (left + STRIDE * vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.w));
  return Slot(false, number < SLOTS, line, quad, (block.n * p.I * p.h + y) * p.w + left, inside);
}

// What is on its way to a thread's slots, of which it has at most two.
var<private> fetched: array<vec4<f32>, 2>;

/// Whether a thread's slot `number` is one of weights; where all of them are, that is a constant.
fn is_of_weights(slot: Slot, number: u32) -> bool {
  return (number + 1u) * SLICE <= WEIGHT_SLOTS || slot.of_weights;
}

/// Fetches what belongs in a slot for input channel i. Weights beyond the last channel are others; what
/// is there of x, or beside the image, is some value that `keep` leaves out.
fn fetch(slot: Slot, number: u32, i: u32) {
  if (number * SLICE >= SLOTS) { return; }
  if (is_of_weights(slot, number)) {
    let at = slot.at + min(i, p.I - 1u) * TAPS * select(1u, p.O, TRANSPOSED == 1u);
    let apart = CHANNEL_QUADS * TAPS * select(p.I, 1u, TRANSPOSED == 1u);
    fetched[number] =
      vec4<f32>(load_w(at), load_w(at + apart), load_w(at + 2u * apart), load_w(at + 3u * apart));
  } else if (slot.of_patch) {
    let at = slot.at + i * p.h * p.w;
    fetched[number] = vec4<f32>(load_x(at), load_x(at + STRIDE), load_x(at + 2u * STRIDE),
      load_x(at + 3u * STRIDE));
  }
}

/// Keeps what was fetched for input channel i.
fn keep(slot: Slot, number: u32, i: u32, half: u32) {
  if (number * SLICE >= SLOTS) { return; }
  if (is_of_weights(slot, number)) {
    weights[half][slot.quad][slot.line] = Quad(fetched[number]);
  } else if (slot.of_patch) {
    // With one slice, what lies beyond the last channel is never multiplied.
    let inside = slot.inside & vec4<bool>(SLICES == 1u || i < p.I);
    patches[half][slot.line / PAIR_LINES][slot.line % PAIR_LINES][slot.quad] =
      Quad(select(vec4<f32>(), fetched[number], inside));
  }
}

/// Where a thread's sums are: its first quad of channels, and its pair of lines and quad of pixels.
struct Place { channel: u32, pair: u32, quad: u32 }

/// Eight threads at neighbouring pixels, and four of other channels, are neighbours.
fn place_of(number: u32) -> Place {
  let place = number / 32u * 8u + number % 8u;
  let pixels = WIDTH * HEIGHT / 8u;
  return Place(place / pixels * 4u + number / 8u % 4u,
    place % pixels / (WIDTH / 4u), place % (WIDTH / 4u));
}

/// Pixels of a line of the patch, for each tap those that four outputs meet.
struct Line { left: Quad, middle: Quad, right: Quad }

/// Line `line` from the first of a pair on.
fn line_at(half: u32, at: Place, line: u32) -> Line {
  let pair = at.pair + line / PAIR_LINES;
  let left = patches[half][pair][line % PAIR_LINES][at.quad];
  let right = patches[half][pair][line % PAIR_LINES][at.quad + 1u];
  let next = Quad(left.yzw, right.x);
  if (STRIDE == 1u) { return Line(left, next, Quad(left.zw, right.xy)); }
  return Line(left, patches[half][pair][line % PAIR_LINES][at.quad + EVEN_QUADS], next);
}

/// Adds the products of a tap. Rows of the sums are pixels: four of the upper line, with both quads of
/// channels, and then four of the lower line.
fn add_tap(half: u32, k: u32, channel: u32, upper: Quad, lower: Quad) {
  let first = weights[half][channel][k];
  let second = weights[half][channel + CHANNEL_QUADS / 2u][k];
  add_product(0u, upper, first);
  add_product(1u, upper, second);
  add_product(2u, lower, first);
  add_product(3u, lower, second);
}

/// Adds those of three taps side by side, of which k is the first.
fn add_taps(half: u32, k: u32, channel: u32, upper: Line, lower: Line) {
  add_tap(half, k, channel, upper.left, lower.left);
  add_tap(half, k + 1u, channel, upper.middle, lower.middle);
  add_tap(half, k + 2u, channel, upper.right, lower.right);
}

/// Adds the products of one half.
fn multiply(half: u32, at: Place) {
  let line0 = line_at(half, at, 0u);
  let line1 = line_at(half, at, 1u);
  let line2 = line_at(half, at, 2u);
  if (STRIDE == 1u) {
    add_taps(half, 0u, at.channel, line0, line1);
    add_taps(half, 3u, at.channel, line1, line2);
    add_taps(half, 6u, at.channel, line2, line_at(half, at, 3u));
  } else {
    add_taps(half, 0u, at.channel, line0, line2);
    add_taps(half, 3u, at.channel, line1, line_at(half, at, 3u));
    add_taps(half, 6u, at.channel, line2, line_at(half, at, 4u));
  }
  end_turn();
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let number = group.y * ROW_GROUPS + group.x;
  let across = (p.ow + WIDTH - 1u) / WIDTH;
  let down = (p.oh + HEIGHT - 1u) / HEIGHT;
  let block = Block(group.z * ROWS, number / (across * down),
    number / across % down * HEIGHT, number % across * WIDTH);

  let slice = select(thread / SLICE, 0u, SLICES == 1u); // a constant if there is one
  let first_half = 2u * slice;
  let at = place_of(thread % SLICE);
  let slot0 = slot_at(thread % SLICE, block);
  let slot1 = slot_at(thread % SLICE + SLICE, block);
  fetch(slot0, 0u, slice);
  fetch(slot1, 1u, slice);
  keep(slot0, 0u, slice, first_half);
  keep(slot1, 1u, slice, first_half);
  var half = 0u;
  for (var i = 0u; i < p.I; i += SLICES) {
    workgroupBarrier();
    let next = i + SLICES + slice;
    fetch(slot0, 0u, next);
    fetch(slot1, 1u, next);
    multiply(first_half + half, at);
    half = 1u - half;
    keep(slot0, 0u, next, first_half + half);
    keep(slot1, 1u, next, first_half + half);
  }

  add_slices(thread);
  if (thread >= SLICE || block.n >= p.batch) { return; }
  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var i = 0u; i < 16u; i++) {
    let m = i / 4u;
    let j = i % 4u;
    let o = block.channel + at.channel + m % 2u * (CHANNEL_QUADS / 2u) + j * CHANNEL_QUADS;
    let y = block.y + 2u * at.pair + m / 2u;
    let left = block.x + 4u * at.quad;
    if (o >= p.O || y >= p.oh) { continue; }
    let to = ((block.n * p.O + o) * p.oh + y) * p.ow + left;
    let line = vec4<f32>(sums[m][0][j], sums[m][1][j], sums[m][2][j], sums[m][3][j]);
    if (OUT_AT_ONCE == 4u) {
      if (left < p.ow) { store4_out(to / 4u, line); }
      continue;
    }
    for (var k = 0u; k < 4u; k++) {
      if (left + k < p.ow) { out[to + k] = epilogue(line[k], to + k); }
    }
  }
}
