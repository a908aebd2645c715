import { join } from 'node:path';

/** The tools are three folders up, next to the folder of all apps. */
export default {
  turbopack: { root: join(import.meta.dirname, '../..') },
  basePath: process.env.APP_BASE ?? '',
  distDir: process.env.APP_OUT ?? '.next',
};
