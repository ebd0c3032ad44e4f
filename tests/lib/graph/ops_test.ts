import "../../../lib/graph/ops/mod.ts";
import { registry } from "../../../lib/graph/op.ts";
import { updateRegistry } from "../../../lib/graph/update.ts";
import { checkOp, checkUpdate } from "./check_op.ts";

for (const op of registry.values()) checkOp(op);
for (const spec of updateRegistry.values()) checkUpdate(spec);
