// The same for require().
const { load } = require('dynakernel');

import('./program.js').then(async ({ program }) => {
  console.log(`RESULT ${JSON.stringify(await program({ load }))}`);
});
