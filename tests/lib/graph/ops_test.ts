import "../../../lib/graph/ops/mod.ts";
import { registry } from "../../../lib/graph/op.ts";
import { checkOp } from "./check_op.ts";

for (const op of registry.values()) checkOp(op);
