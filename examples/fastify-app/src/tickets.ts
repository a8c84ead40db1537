import { z } from 'zod';

/** A ticket of the help desk, as the app's own API and its tools both know it. */
export const ticketShape = z.object({
  id: z.string().max(20),
  title: z.string().max(200),
  state: z.enum(['open', 'closed']),
});
export type Ticket = z.infer<typeof ticketShape>;

/** What stands in for the app's database. */
export class TicketStore {
  readonly #tickets = new Map<string, Ticket>([
    ['T-1', { id: 'T-1', title: 'The printer prints in Latin', state: 'open' }],
    ['T-2', { id: 'T-2', title: 'The coffee machine wants an update', state: 'open' }],
  ]);

  find(words: string, limit: number): Ticket[] {
    const found = [...this.#tickets.values()].filter(({ title }) => title.toLowerCase().includes(words.toLowerCase()));
    return found.slice(0, limit);
  }

  get(id: string): Ticket | undefined {
    return this.#tickets.get(id);
  }

  close(id: string): Ticket | undefined {
    const ticket = this.#tickets.get(id);
    if (!ticket) return undefined;
    const closed: Ticket = { ...ticket, state: 'closed' };
    this.#tickets.set(id, closed);
    return closed;
  }
}
