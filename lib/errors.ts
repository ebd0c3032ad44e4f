/** Something the user can mend: shown as one line without a stack trace, exit code 2. */
export class UserError extends Error {
  override name = "UserError";
}

/** A file that is missing, broken, or not what it was taken for. */
export class CheckpointError extends UserError {
  override name = "CheckpointError";
}

/** The device cannot do what was asked: no adapter, a limit, memory, a lost device. */
export class GpuError extends UserError {
  override name = "GpuError";
}

/** The device is gone, with all that was on it; a new one may work. */
export class DeviceLostError extends GpuError {
  override name = "DeviceLostError";
}

/** The device has no memory left for this. */
export class DeviceMemoryError extends GpuError {
  override name = "DeviceMemoryError";
}

/** It was known beforehand that the device has no memory for this: nothing was tried. */
export class DoesNotFitError extends DeviceMemoryError {
  override name = "DoesNotFitError";
}

/** An op was given shapes that do not fit together. */
export class ShapeError extends Error {
  override name = "ShapeError";
}

/** A kernel does not compile, or disagrees with the op that launches it. */
export class KernelError extends Error {
  override name = "KernelError";
}
