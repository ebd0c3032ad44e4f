// For kernels with one workgroup of WG threads per row, on GPUs with subgroups: each of these reduces
// its values in registers, and what the subgroups have meets in workgroup memory, at one barrier. In
// one subgroup that holds the whole row drivers leave the barrier out. A subgroup may have any size and
// any of the threads.

/// What each subgroup has, in two halves that calls take in turns: a thread that is one call ahead does
/// not write what others still read.
var<workgroup> partial: array<f32, 2u * WG>;
/// Where the half of the next call begins.
var<private> turn: u32;

var<private> subgroup: u32;
var<private> subgroups: u32;
/// Whether this thread writes for its subgroup.
var<private> leads: bool;

/// Tells all threads what each subgroup has: from `partial[share(value)]` on.
fn share(value: f32) -> u32 {
  let first = turn;
  turn = WG - turn;
  if (leads) { partial[first + subgroup] = value; }
  workgroupBarrier();
  return first;
}

/// The sum of all threads' values, in every thread.
fn total(lane: u32, value: f32) -> f32 {
  let first = share(subgroupAdd(value));
  var sum = partial[first];
  for (var k = 1u; k < subgroups; k++) { sum += partial[first + k]; }
  return sum;
}

/// The largest of all threads' values, in every thread.
fn largest(lane: u32, value: f32) -> f32 {
  let first = share(subgroupMax(value));
  var value_of_all = partial[first];
  for (var k = 1u; k < subgroups; k++) { value_of_all = max(value_of_all, partial[first + k]); }
  return value_of_all;
}

@compute @workgroup_size(WG)
fn main(
  @builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32,
  @builtin(subgroup_id) id: u32, @builtin(num_subgroups) count: u32,
) {
  subgroup = id;
  subgroups = count;
  leads = lane == subgroupBroadcastFirst(lane);
  let row = group.y * ROW_GROUPS + group.x;
  if (row < p.rows) { compute(row, lane); }
}
