// The entry point of a page.
import { start } from './page.js';

start();
