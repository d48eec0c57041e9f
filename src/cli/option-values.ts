import { InvalidArgumentError } from "commander";

/** positiveInteger reads an option's value of 1 or more. */
export function positiveInteger(text: string): number {
  return integerBetween(1, Number.MAX_SAFE_INTEGER)(text);
}

/** positiveNumber reads an option's value greater than 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError("It must be a number greater than 0.");
  }
  return value;
}

/** integerBetween reads an option's value within bounds, both included. */
export function integerBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max) {
      const bounds = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be a whole number ${bounds}.`);
    }
    return value;
  };
}
