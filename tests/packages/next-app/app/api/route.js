import { load } from 'dynakernel';
import { diteHRNet } from 'dynakernel/dite-hrnet';
import { program } from '../../src/program.js';

export const dynamic = 'force-dynamic';

export async function GET() {
  return Response.json(await program({ load, diteHRNet }));
}
