// A process that measures one cold start. The first argument is the request, as JSON; stdout gets the milliseconds.
import { readFileSync } from 'node:fs';
import { coldStart } from './cold-start.js';

const request = JSON.parse(process.argv[2]);
const { network } = request;
if (network) network.bytes = new Uint8Array(readFileSync(network.path));
console.log(await coldStart(request));
process.exit(); // onnxruntime-web's threads would keep the process alive
