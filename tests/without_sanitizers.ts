/**
 * Loaded before tests on Dawn: takes Deno's leak checks away. They wait for an event loop that has
 * nothing to do, and Dawn polls for what the GPU has done on it, so that tests would stall.
 */
const register = Deno.test;
const OFF = { sanitizeOps: false, sanitizeResources: false };

function test(first: string | Deno.TestDefinition, body?: Deno.TestDefinition["fn"]): void {
  register(typeof first === "string" ? { name: first, fn: body!, ...OFF } : { ...first, ...OFF });
}

Object.defineProperty(Deno, "test", { value: Object.assign(test, register) });
