import { afterEach } from 'vitest';
import { endAll } from './cleanup.js';

// This file is run for each file of tests, also where they share a process and its modules.
afterEach(endAll);
