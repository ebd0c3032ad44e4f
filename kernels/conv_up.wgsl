// Transposed convolution 3x3 at stride 2 without padding, for GPUs: all outputs of a line at once
//
//   out[n, o, 2 Y + dy, 2 X + dx] = sum over i and the taps (ky, kx) with ky % 2 = dy, kx % 2 = dx of
//     x[n, i, Y - ky / 2, X - kx / 2] * w[i, o, ky, kx]
//
//   x    [batch, I, h, w]     zero outside
//   w    [I, O, 3, 3]
//   out  [batch, O, 2 h + 1, 2 w + 1]
//
// Outputs of even lines have six taps, those of odd ones three; a workgroup has lines of one kind: 32
// channels of 32 runs of eight X. A thread has four channels of a run, at both columns of each X. A turn
// is two input channels: while they are multiplied, what the next two need is on its way, the weights of
// the taps and, for each run, the nine pixels of one or two lines. So there is one barrier a turn.
//
// Constants: ROW_GROUPS workgroups in a row of the grid, and those of common/sums.wgsl, with 8 x 8 sums
// a thread in one slice.

struct Params { batch: u32, I: u32, h: u32, w: u32, O: u32, oh: u32, ow: u32 }

@group(0) @binding(0) var<storage, read>       x: array<f32>;
@group(0) @binding(1) var<storage, read>       w: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform>             p: Params;

/// Input channels of a turn.
const DEPTH = 2u;
const CHANNELS = 32u;
const CHANNEL_QUADS = CHANNELS / 4u;
const RUNS = 32u;
/// X of a run, and vectors of pixels that it meets; of the last, only the first.
const RUN = 8u;
const PIXEL_QUADS = 3u;

// Two halves, for each channel of a turn. Pixels of a run go by lines, and one vector is there for the
// banks.
var<workgroup> weights: array<array<array<array<Quad, 6>, CHANNEL_QUADS>, DEPTH>, 2>;
var<workgroup> pixels: array<array<array<array<Quad, 7>, RUNS>, DEPTH>, 2>;

/// Which lines a workgroup has, its first channel and its first run.
struct Block { odd: bool, channel: u32, run: u32 }

/// Where a run is: its sample, Y and first X; a run beyond the last is of a sample beyond the last.
struct Run { n: u32, y: u32, x: u32 }

fn run_at(number: u32) -> Run {
  let across = (p.w + RUN) / RUN;
  let line = number / across;
  return Run(line / (p.h + 1u), line % (p.h + 1u), number % across * RUN);
}

/// A vector that a thread fills: four channels of a tap, or else four pixels of a run.
struct Slot {
  of_weights: bool,
  of_pixels: bool,
  /// Quad of channels and tap, or run and vector.
  line: u32,
  quad: u32,
  /// Where its first element is in memory, for channel 0, and how far the others are apart.
  at: u32,
  apart: u32,
  /// Which of the four are there.
  inside: vec4<bool>,
}

/// The taps of a workgroup are in order of kx, then of ky: 0 and 2, or else 1 alone.
fn slot_at(number: u32, block: Block) -> Slot {
  let taps = select(6u, 3u, block.odd);
  let lines = select(2u, 1u, block.odd);
  if (number < taps * CHANNEL_QUADS) {
    let tap = number % taps;
    let quad = number / taps;
    let ky = select(tap % 2u * 2u, 1u, block.odd);
    let kx = tap / lines;
    let channel = block.channel + quad;
    let there = channel + CHANNEL_QUADS * vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.O);
    return Slot(true, false, quad, tap, channel * 9u + 3u * ky + kx, CHANNEL_QUADS * 9u, there);
  }
  let place = number - taps * CHANNEL_QUADS;
  let run = place / (lines * PIXEL_QUADS);
  let quad = place % (lines * PIXEL_QUADS);
  let at = run_at(block.run + run);
  let y = at.y - quad / PIXEL_QUADS;
  let left = at.x - 1u + quad % PIXEL_QUADS * 4u;
  let inside = vec4<bool>(y < p.h) & (left + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.w));
  return Slot(false, run < RUNS, run, quad, (at.n * p.I * p.h + y) * p.w + left, 1u, inside);
}

// What is on its way, for each channel of a turn.
var<private> fetched: array<vec4<f32>, DEPTH>;

/// What is not there is some value that `keep` leaves out.
fn fetched_at(slot: Slot, i: u32) -> vec4<f32> {
  if (slot.of_weights) {
    let at = slot.at + min(i, p.I - 1u) * p.O * 9u;
    return vec4<f32>(load_w(at), load_w(at + slot.apart), load_w(at + 2u * slot.apart),
      load_w(at + 3u * slot.apart));
  }
  let at = slot.at + min(i, p.I - 1u) * p.h * p.w;
  return vec4<f32>(load_x(at), load_x(at + 1u), load_x(at + 2u), load_x(at + 3u));
}

/// Fetches what belongs in a slot for input channels from i on.
fn fetch(slot: Slot, i: u32) {
  if (!slot.of_weights && !slot.of_pixels) { return; }
  fetched[0] = fetched_at(slot, i);
  fetched[1] = fetched_at(slot, i + 1u);
}

fn keep_at(slot: Slot, i: u32, half: u32, k: u32) {
  let there = slot.inside & vec4<bool>(i + k < p.I);
  let values = Quad(select(vec4<f32>(), fetched[k], there));
  if (slot.of_weights) {
    weights[half][k][slot.line][slot.quad] = values;
  } else if (slot.of_pixels) {
    pixels[half][k][slot.line][slot.quad] = values;
  }
}

/// Keeps what was fetched for input channels from i on.
fn keep(slot: Slot, i: u32, half: u32) {
  keep_at(slot, i, half, 0u);
  keep_at(slot, i, half, 1u);
}

/// The pixels of a run in one line: those at each X, and those left of them.
struct Line { at0: Quad, at1: Quad, left0: Quad, left1: Quad }

fn line_at(half: u32, k: u32, run: u32, line: u32) -> Line {
  let left0 = pixels[half][k][run][PIXEL_QUADS * line];
  let left1 = pixels[half][k][run][PIXEL_QUADS * line + 1u];
  let last = pixels[half][k][run][PIXEL_QUADS * line + 2u].x;
  return Line(Quad(left0.yzw, left1.x), Quad(left1.yzw, last), left0, left1);
}

/// Adds the products of a tap in columns dx of all X.
fn add_tap(half: u32, k: u32, quad: u32, tap: u32, dx: u32, first: Quad, second: Quad) {
  let channels = weights[half][k][quad][tap];
  add_product(2u * dx, first, channels);
  add_product(2u * dx + 1u, second, channels);
}

/// Adds the products of an input channel. Rows of the sums are X.
fn step(half: u32, k: u32, odd: bool, quad: u32, run: u32) {
  let line = line_at(half, k, run, 0u);
  if (odd) {
    add_tap(half, k, quad, 0u, 0u, line.at0, line.at1);
    add_tap(half, k, quad, 1u, 1u, line.at0, line.at1);
    add_tap(half, k, quad, 2u, 0u, line.left0, line.left1);
    return;
  }
  add_tap(half, k, quad, 0u, 0u, line.at0, line.at1);
  add_tap(half, k, quad, 2u, 1u, line.at0, line.at1);
  add_tap(half, k, quad, 4u, 0u, line.left0, line.left1);
  let above = line_at(half, k, run, 1u);
  add_tap(half, k, quad, 1u, 0u, above.at0, above.at1);
  add_tap(half, k, quad, 3u, 1u, above.at0, above.at1);
  add_tap(half, k, quad, 5u, 0u, above.left0, above.left1);
}

/// Gives out the sums of four X, for one channel: both columns of each.
fn give(to: u32, left: u32, even: vec4<f32>, odd: vec4<f32>) {
  for (var i = 0u; i < 4u; i++) {
    let column = 2u * (left + i);
    if (column < p.ow) { out[to + column] = epilogue(even[i], to + column); }
    if (column + 1u < p.ow) { out[to + column + 1u] = epilogue(odd[i], to + column + 1u); }
  }
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let block = Block(group.z % 2u == 1u, group.z / 2u * CHANNELS,
    (group.y * ROW_GROUPS + group.x) * RUNS);
  let slot = slot_at(thread, block);
  // Eight threads of neighbouring runs, and four of other channels, are neighbours.
  let run = thread / 64u * 8u + thread % 8u;
  let quad = thread / 8u % 8u;

  fetch(slot, 0u);
  keep(slot, 0u, 0u);
  var half = 0u;
  for (var i = 0u; i < p.I; i += DEPTH) {
    workgroupBarrier();
    fetch(slot, i + DEPTH);
    step(half, 0u, block.odd, quad, run);
    step(half, 1u, block.odd, quad, run);
    end_turn();
    half = 1u - half;
    keep(slot, i + DEPTH, half);
  }

  let at = run_at(block.run + run);
  let y = 2u * at.y + select(0u, 1u, block.odd);
  if (at.n >= p.batch || y >= p.oh) { return; }
  var sums = c; // a copy, as indexing c itself would keep it in memory all along
  for (var j = 0u; j < 4u; j++) {
    let o = block.channel + quad + j * CHANNEL_QUADS;
    if (o >= p.O) { continue; }
    let to = ((at.n * p.O + o) * p.oh + y) * p.ow;
    for (var m = 0u; m < 2u; m++) {
      give(to, at.x + 4u * m, column_of(sums[m], j), column_of(sums[2u + m], j));
    }
  }
}

/// Element j of each row of the sums.
fn column_of(sums: mat4x4<f32>, j: u32) -> vec4<f32> {
  return vec4<f32>(sums[0][j], sums[1][j], sums[2][j], sums[3][j]);
}
