import assert from "node:assert/strict";
import { UserError } from "../../../lib/errors.ts";
import { checkProvider, PROVIDERS } from "../../../lib/gpu/provider.ts";

Deno.test("checkProvider() takes the names of providers and refuses any other", () => {
  for (const name of PROVIDERS) assert.equal(checkProvider(name), name);
  assert.throws(() => checkProvider("metal"), (error) => {
    assert.ok(error instanceof UserError);
    assert.equal(error.message, `Cannot use "metal" for the GPU: there are builtin and dawn`);
    return true;
  });
});
