import { useEffect, useState } from "preact/hooks";

/** The value once it has not changed for a while. */
export function useRested<T>(value: T, ms: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms);
    return () => clearTimeout(timer);
  }, [JSON.stringify(value)]);
  return rested;
}
