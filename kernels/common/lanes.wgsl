// For kernels of software adapters, which run LANES = 8 invocations as one vector.
//
// A load costs such an adapter eight scalar loads, each with its own branches, whether or not all
// lanes read the same address: as much as 20 multiply-adds of whole vectors. Workgroup memory is no
// cheaper and barriers cost more. So these kernels give every lane a different element to load, and
// hand each element to all lanes with one instruction. A workgroup is one vector; every lane must
// stay active, as an inactive one has nothing to hand out.
//
// The loop of such a kernel should also be short: above some 3,000 instructions it falls out of the
// processor's decoded cache and runs at half the speed. Unrolling by hand what has to be in
// registers is a must, as every WGSL loop gets a counter that keeps the driver from unrolling it.

/// Lanes first .. first + 3 of `v`, in every lane.
fn four(v: f32, first: u32) -> vec4<f32> {
  return vec4<f32>(
    subgroupShuffle(v, first), subgroupShuffle(v, first + 1u),
    subgroupShuffle(v, first + 2u), subgroupShuffle(v, first + 3u),
  );
}
