// For kernels with one workgroup per row on software adapters: WG threads are one vector, which adds
// its lanes in one instruction. Barriers there cost more than the row itself, and half a second of
// compilation.

/// The sum of all threads' values, in every thread.
fn total(lane: u32, value: f32) -> f32 { return subgroupAdd(value); }

/// The largest of all threads' values, in every thread.
fn largest(lane: u32, value: f32) -> f32 { return subgroupMax(value); }
