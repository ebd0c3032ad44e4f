/** Makes the types of a client: from the description in the first file, into the second. */
import openapiTS, { astToString } from "openapi-typescript";

const [description, types] = Deno.args as [string, string];
const ast = await openapiTS(JSON.parse(await Deno.readTextFile(description)));
await Deno.writeTextFile(types, astToString(ast));
