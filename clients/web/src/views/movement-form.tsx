import type { TargetedSubmitEvent } from 'preact';
import { useState } from 'preact/hooks';
import type { Movement, Settled } from '../state/commands.js';
import type { UsedCommands } from '../state/use-commands.js';
import { OpenCommandNotice } from './open-command-notice.js';
import { SettledNotice } from './settled-notice.js';

interface MovementFormProps {
  readonly storeId: string;
  readonly productId: string;
  readonly commands: UsedCommands;
}

const INT32_LIMIT = 2 ** 31;

/** Sells and restocks one stock. While a command of this stock has no answer, no other one is offered. */
export function MovementForm({ storeId, productId, commands }: MovementFormProps) {
  const [text, setText] = useState('1');
  const [ownProblem, setOwnProblem] = useState('');
  const isOurs = (key: { storeId: string; productId: string }) =>
    key.storeId === storeId && key.productId === productId;
  const open = commands.open.find(isOurs);
  const settled =
    commands.settled !== undefined && isOurs(commands.settled.command) ? commands.settled : undefined;
  const problem = ownProblem || fieldProblem(settled);
  const set = (next: string) => {
    setText(next);
    setOwnProblem('');
    if (settled !== undefined) commands.dismiss();
  };
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>) => {
    event.preventDefault();
    if (open !== undefined) return;
    const quantity = readQuantity(text);
    if (Number.isNaN(quantity)) return setOwnProblem('Quantity must be a whole number');
    const movement = (event.submitter as HTMLButtonElement | null)?.value === 'restock' ? 'restock' : 'sell';
    commands.ask({ movement, storeId, productId, quantity });
  };
  return (
    <form class="movement" noValidate onSubmit={submit} aria-label={`Sell or restock ${productId}`}>
      <QuantityField text={text} problem={problem} onChange={set} />
      <div class="actions">
        <MovementButton movement="sell" label="Sell" waits={open !== undefined} />
        <MovementButton movement="restock" label="Restock" waits={open !== undefined} />
      </div>
      {open !== undefined && <OpenCommandNotice command={open} commands={commands} />}
      {open === undefined && settled !== undefined && (
        <SettledNotice settled={settled} onQuantity={(units) => set(String(units))} />
      )}
    </form>
  );
}

interface QuantityFieldProps {
  readonly text: string;
  readonly problem: string;
  readonly onChange: (text: string) => void;
}

function QuantityField({ text, problem, onChange }: QuantityFieldProps) {
  const step = (by: number) => () => onChange(String(Math.max(1, (readQuantity(text) || 0) + by)));
  const wrong = problem !== '';
  return (
    <div class="quantity">
      <label for="quantity">Quantity</label>
      <div class="stepper">
        <button type="button" onClick={step(-1)} aria-label="One less">
          −
        </button>
        <input
          id="quantity"
          name="quantity"
          inputMode="numeric"
          autocomplete="off"
          value={text}
          aria-invalid={wrong}
          aria-describedby="quantity-problem"
          onFocus={(event) => event.currentTarget.select()}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
        <button type="button" onClick={step(1)} aria-label="One more">
          +
        </button>
      </div>
      <p id="quantity-problem" class="field-problem" role="alert">
        {problem}
      </p>
    </div>
  );
}

interface MovementButtonProps {
  readonly movement: Movement;
  readonly label: string;
  readonly waits: boolean;
}

/** Not `disabled` while it waits: the focus would be lost. */
function MovementButton({ movement, label, waits }: MovementButtonProps) {
  return (
    <button type="submit" value={movement} class={movement === 'sell' ? 'main' : ''} aria-disabled={waits}>
      {label}
    </button>
  );
}

/** undefined for nothing (the service says what that means), NaN for what no message can carry. */
function readQuantity(text: string): number | undefined {
  const plain = text.trim().replaceAll(',', '');
  if (plain === '') return undefined;
  const value = /^[+-]?\d+$/.test(plain) ? Number(plain) : Number.NaN;
  return Math.abs(value) < INT32_LIMIT ? value : Number.NaN;
}

function fieldProblem(settled: Settled | undefined): string {
  return settled !== undefined && 'failure' in settled ? (settled.failure.fields.quantity ?? '') : '';
}
