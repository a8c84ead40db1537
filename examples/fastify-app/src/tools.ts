import { defineTool, GatehouseError } from 'utcp-gatehouse';
import { z } from 'zod';
import { type TicketStore, ticketShape } from './tickets.js';

/** The functions of the app that agents may call. */
export function defineTools(tickets: TicketStore) {
  return [
    defineTool({
      manual: 'helpdesk',
      name: 'find_tickets',
      description: 'Finds tickets by words of their title, newest last.',
      inputs: z.object({
        words: z.string().min(1).max(100).describe('Words that the title has.'),
        limit: z.int().min(1).max(50).default(10),
      }),
      outputs: z.object({ tickets: z.array(ticketShape) }),
      tags: ['tickets'],
      read_only: true,
      handler: ({ words, limit }) => ({ tickets: tickets.find(words, limit) }),
    }),
    defineTool({
      manual: 'helpdesk',
      name: 'close_ticket',
      description: 'Closes a ticket whose matter is settled.',
      inputs: z.object({ id: z.string().max(20) }),
      outputs: ticketShape.extend({ closed_by: z.string() }),
      tags: ['tickets'],
      log_arguments: ['id'],
      handler: ({ id }, { caller }) => {
        const ticket = tickets.close(id);
        if (!ticket) throw new GatehouseError('invalid_input', { detail: 'There is no such ticket.' });
        return { ...ticket, closed_by: caller.id };
      },
    }),
  ];
}
