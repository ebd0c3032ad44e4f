// The sums of a thread, and those of all parts of a workgroup added up.
//
// Constants: TM and TN (4 or 8), how many sums each thread has, SLICES, parts of the workgroup that
// each have some terms of the same sums, and THREADS of all slices.

const SLICE = THREADS / SLICES;

// The thread's sums, by 4 x 4.
const SUMS = TM * TN / 16u;
var<private> c: array<mat4x4<f32>, SUMS>;

// One matrix of each thread of a slice, on its way to the first slice.
var<workgroup> given: array<array<vec4<f32>, 4>, min(SLICES - 1u, 1u) * (SLICE - 1u) + 1u>;

/// Adds the sums of all slices to those of the first, whose threads are the first.
fn add_slices(thread: u32) {
  for (var slice = 1u; slice < SLICES; slice++) {
    add_matrix(slice, thread, 0u);
    if (SUMS > 1u) { add_matrix(slice, thread, 1u); }
    if (SUMS > 2u) {
      add_matrix(slice, thread, 2u);
      add_matrix(slice, thread, 3u);
    }
  }
}

fn add_matrix(slice: u32, thread: u32, i: u32) {
  workgroupBarrier();
  if (thread / SLICE == slice) {
    let to = thread % SLICE;
    given[to][0] = c[i][0];
    given[to][1] = c[i][1];
    given[to][2] = c[i][2];
    given[to][3] = c[i][3];
  }
  workgroupBarrier();
  if (thread < SLICE) {
    c[i] += mat4x4<f32>(given[thread][0], given[thread][1], given[thread][2], given[thread][3]);
  }
}
