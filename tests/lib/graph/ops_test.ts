import "../../../lib/graph/ops/mod.ts";
import { registry } from "../../../lib/graph/op.ts";
import { updateRegistry } from "../../../lib/graph/update.ts";
import { testGpu } from "../../gpu.ts";
import { checkOp, checkUpdate } from "./check_op.ts";

const { kind, limits } = await testGpu();
for (const op of registry.values()) checkOp(op, kind, limits.halves === true);
for (const spec of updateRegistry.values()) checkUpdate(spec);
