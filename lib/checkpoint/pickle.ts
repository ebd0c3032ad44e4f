import { placed, refuse } from "./refusal.ts";
import { describe, PickleExtra, PickleGlobal, PickleObject, PickleTuple } from "./pickle_values.ts";
import type { PickleDict, PickleList, PickleValue } from "./pickle_values.ts";
import { PickleReader } from "./pickle_reader.ts";

/** What the names and references in a pickle stand for. */
export interface PickleContext {
  /** The meaning of the function or class `module.name`; undefined refuses the file. */
  global(module: string, name: string): PickleValue | undefined;
  /** The object outside of the pickle that `id` refers to. */
  persistent(id: PickleValue): PickleValue;
}

/** Thirty times what a 1024x1024 generator, its discriminator and both optimisers take. */
const MAX_STEPS = 2 ** 21;
const MAX_PROTOCOL = 5;
const MAX_NAME_BYTES = 512;
/** PyTorch's magic number takes 10. */
const MAX_INTEGER_BYTES = 32;

/**
 * Runs the instructions of a pickle up to its end, where `input` then stands. A pickle is a program
 * for a stack machine; this machine has the instructions of protocols 2 to 5 that build containers,
 * and in place of calling Python asks `context` for a plain meaning. Work and memory are bounded by
 * a number of steps.
 */
export async function unpickle(input: PickleReader, context: PickleContext): Promise<PickleValue> {
  const machine = new Machine(input, context);
  do {
    if (input.isLow) await input.fill();
  } while (machine.step());
  return machine.pop();
}

/** The same for a reader that has all of it in memory. */
export function unpickleNow(input: PickleReader, context: PickleContext): PickleValue {
  const machine = new Machine(input, context);
  while (machine.step());
  return machine.pop();
}

class Machine {
  #stack: PickleValue[] = [];
  #steps = 0;
  /** The stacks below each open MARK. */
  readonly #below: PickleValue[][] = [];
  readonly #memo = new Map<number, PickleValue>();

  constructor(readonly input: PickleReader, readonly context: PickleContext) {}

  /** Whether there is another instruction after the one that was run. */
  step(): boolean {
    const at = this.input.position;
    return placed(() => `at byte ${at} of its pickle`, () => this.#run());
  }

  #run(): boolean {
    if (++this.#steps > MAX_STEPS) refuse(`its pickle takes more than ${MAX_STEPS} steps`);
    const code = this.input.byte();
    if (code === STOP) return false;
    const instruction = INSTRUCTIONS[code];
    if (!instruction) {
      const hex = code.toString(16).padStart(2, "0");
      refuse(`it has the instruction 0x${hex}, which builds no plain data`);
    }
    instruction(this, this.input);
    return true;
  }

  push(value: PickleValue): void {
    this.#stack.push(value);
  }

  pop(): PickleValue {
    if (this.#stack.length === 0) {
      refuse("its pickle takes from an empty stack");
    }
    return this.#stack.pop()!;
  }

  top(): PickleValue {
    const value = this.pop();
    this.push(value);
    return value;
  }

  mark(): void {
    this.#below.push(this.#stack);
    this.#stack = [];
  }

  /** All values since the last MARK. */
  popToMark(): PickleValue[] {
    const items = this.#stack;
    const below = this.#below.pop();
    if (!below) refuse("its pickle lacks a MARK");
    this.#stack = below;
    return items;
  }

  put(key: number): void {
    // No pickler uses a number twice: what recalls it later would get another value.
    if (this.#memo.has(key)) refuse(`its pickle keeps two values as ${key}; it is damaged`);
    this.#memo.set(key, this.top());
  }

  memoize(): void {
    this.put(this.#memo.size);
  }

  get(key: number): void {
    const value = this.#memo.get(key);
    if (value === undefined) refuse(`its pickle recalls value ${key}, which it never kept`);
    this.push(value);
  }

  tuple(size: number): void {
    const items = Array.from({ length: size }, () => this.pop());
    this.push(new PickleTuple(items.reverse()));
  }

  /** The list on top of the stack. */
  list(): PickleList {
    const value = this.top();
    if (!Array.isArray(value)) refuse(`its pickle appends to ${describe(value)}`);
    return value;
  }

  /** Stores keys and values, which take turns, in the dict on top of the stack. */
  setItems(items: PickleValue[]): void {
    const dict = this.top();
    if (!(dict instanceof Map)) refuse(`its pickle sets items of ${describe(dict)}`);
    if (items.length % 2 !== 0) refuse("its pickle has a dict key without a value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i]!;
      if (dict.has(key)) refuse(`its pickle has ${describe(key)} twice in a dict; it is damaged`);
      dict.set(key, items[i + 1]!);
    }
  }

  global(module: string, name: string): void {
    if (module.length + name.length > MAX_NAME_BYTES) refuse("its pickle has an endless name");
    const value = this.context.global(module, name);
    if (value === undefined) {
      refuse(
        `it asks for "${module}.${name}"; nada reads tensors and plain containers only: ` +
          "save the state_dict() alone, without other objects",
      );
    }
    this.push(value);
  }

  stackGlobal(): void {
    const name = this.pop();
    const module = this.pop();
    if (typeof module !== "string" || typeof name !== "string") {
      refuse(`its pickle names ${describe(name)} in ${describe(module)} as a function`);
    }
    this.global(module, name);
  }

  /** A call of a function or a class: the table of globals says what comes of it. */
  build(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof PickleGlobal)) refuse(`its pickle calls ${describe(callee)}`);
    if (!(args instanceof PickleTuple)) {
      refuse(`its pickle calls "${callee.name}" with ${describe(args)}`);
    }
    this.push(callee.build(args.items));
  }

  setState(): void {
    const state = this.pop();
    const target = this.top();
    if (target instanceof PickleObject) target.state = state;
    else if (target instanceof PickleExtra && target.setState) target.setState(state);
    // Attributes set on a dict, such as the versions PyTorch notes on a state_dict, hold no tensors.
    else if (!(target instanceof Map)) refuse(`its pickle sets attributes of ${describe(target)}`);
  }

  persistent(): void {
    this.push(this.context.persistent(this.pop()));
  }
}

const STOP = 0x2e;

type Instruction = (machine: Machine, input: PickleReader) => void;

/** By code; names as in Python's pickletools. What is not listed is refused. */
const INSTRUCTIONS: Readonly<Record<number, Instruction>> = {
  0x80: (_, input) => protocol(input.byte()), // PROTO
  0x95: (_, input) => void input.take(8), // FRAME: the length of what follows, a hint only
  0x28: (m) => m.mark(), // MARK
  0x30: (m) => void m.pop(), // POP
  0x31: (m) => void m.popToMark(), // POP_MARK
  0x32: (m) => m.push(m.top()), // DUP

  0x4e: (m) => m.push(null), // NONE
  0x88: (m) => m.push(true), // NEWTRUE
  0x89: (m) => m.push(false), // NEWFALSE
  0x4b: (m, input) => m.push(input.unsigned(1)), // BININT1
  0x4d: (m, input) => m.push(input.unsigned(2)), // BININT2
  0x4a: (m, input) => m.push(input.unsigned(4) | 0), // BININT, signed
  0x8a: (m, input) => m.push(integer(input, input.byte())), // LONG1
  0x8b: (m, input) => m.push(integer(input, input.unsigned(4))), // LONG4
  0x47: (m, input) => m.push(input.float64()), // BINFLOAT
  0x8c: (m, input) => m.push(input.text(input.byte())), // SHORT_BINUNICODE
  0x58: (m, input) => m.push(input.text(input.unsigned(4))), // BINUNICODE
  0x8d: (m, input) => m.push(input.text(input.unsigned(8))), // BINUNICODE8
  0x55: (m, input) => m.push(input.latin1(input.byte())), // SHORT_BINSTRING
  0x54: (m, input) => m.push(input.latin1(input.unsigned(4))), // BINSTRING
  0x43: (m, input) => m.push(input.bytes(input.byte())), // SHORT_BINBYTES
  0x42: (m, input) => m.push(input.bytes(input.unsigned(4))), // BINBYTES
  0x8e: (m, input) => m.push(input.bytes(input.unsigned(8))), // BINBYTES8
  0x96: (m, input) => m.push(input.bytes(input.unsigned(8))), // BYTEARRAY8

  0x29: (m) => m.tuple(0), // EMPTY_TUPLE
  0x85: (m) => m.tuple(1), // TUPLE1
  0x86: (m) => m.tuple(2), // TUPLE2
  0x87: (m) => m.tuple(3), // TUPLE3
  0x74: (m) => m.push(new PickleTuple(m.popToMark())), // TUPLE
  0x5d: (m) => m.push([]), // EMPTY_LIST
  0x61: (m) => append(m, [m.pop()]), // APPEND
  0x65: (m) => append(m, m.popToMark()), // APPENDS
  // Which of its items a set holds twice does not matter here: it is a list.
  0x8f: (m) => m.push([]), // EMPTY_SET
  0x90: (m) => append(m, m.popToMark()), // ADDITEMS
  0x91: (m) => m.push(m.popToMark()), // FROZENSET
  0x7d: (m) => m.push(new Map() as PickleDict), // EMPTY_DICT
  0x73: (m) => m.setItems([m.pop(), m.pop()].reverse()), // SETITEM
  0x75: (m) => m.setItems(m.popToMark()), // SETITEMS

  0x71: (m, input) => m.put(input.byte()), // BINPUT
  0x72: (m, input) => m.put(input.unsigned(4)), // LONG_BINPUT
  0x94: (m) => m.memoize(), // MEMOIZE
  0x68: (m, input) => m.get(input.byte()), // BINGET
  0x6a: (m, input) => m.get(input.unsigned(4)), // LONG_BINGET

  0x63: (m, input) => m.global(input.line(MAX_NAME_BYTES), input.line(MAX_NAME_BYTES)), // GLOBAL
  0x93: (m) => m.stackGlobal(), // STACK_GLOBAL
  0x52: (m) => m.build(), // REDUCE
  0x81: (m) => m.build(), // NEWOBJ
  0x62: (m) => m.setState(), // BUILD
  0x51: (m) => m.persistent(), // BINPERSID
};

function protocol(version: number): void {
  if (version > MAX_PROTOCOL) refuse(`its pickle has protocol ${version}, newer than Python knows`);
}

function append(machine: Machine, items: PickleValue[]): void {
  const list = machine.list();
  for (const item of items) list.push(item);
}

/** A little-endian two's complement integer: a number where float64 holds it, a bigint beyond. */
function integer(input: PickleReader, byteCount: number): number | bigint {
  if (byteCount > MAX_INTEGER_BYTES) refuse(`its pickle has an integer of ${byteCount} bytes`);
  let value = 0n;
  for (const byte of input.take(byteCount).toReversed()) value = value << 8n | BigInt(byte);
  value = BigInt.asIntN(8 * byteCount, value);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
