import "../../../lib/graph/ops/mod.ts";
import { registry } from "../../../lib/graph/op.ts";
import { updateRegistry } from "../../../lib/graph/update.ts";
import { testGpu } from "../../gpu.ts";
import { checkOp, checkUpdate } from "./check_op.ts";

const gpu = await testGpu();
for (const op of registry.values()) checkOp(op, gpu);
for (const spec of updateRegistry.values()) checkUpdate(spec);
