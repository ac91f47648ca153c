import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { LONG_ANSWERS } from './compression.js';

/** The page runs its own files and asks this service; nothing comes from elsewhere. Its styles stand in elements too. */
const CONTENT_SECURITY_POLICY = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': ["'self'", "'unsafe-inline'"],
  'img-src': ["'self'", 'data:'],
  'connect-src': "'self'",
  'base-uri': "'none'",
  'form-action': "'none'",
  'frame-ancestors': "'none'",
};

/** Serves the OpenAPI document and Swagger UI at the paths of the original system. */
export async function addApiDocs(app: FastifyInstance): Promise<void> {
  let json: string | undefined;
  app.get('/v3/api-docs', LONG_ANSWERS, async (_request, reply) => {
    json ??= JSON.stringify(app.swagger());
    return reply.type('application/json; charset=utf-8').send(json);
  });
  app.get('/v3/api-docs.yaml', LONG_ANSWERS, async (_request, reply) =>
    reply.type('application/yaml; charset=utf-8').send(app.swagger({ yaml: true })),
  );
  await app.register(swaggerUi, {
    routePrefix: '/swagger-ui.html',
    // From the page's own path.
    uiConfig: { urls: [{ name: 'Onhand', url: 'v3/api-docs' }], tryItOutEnabled: true },
    theme: { title: 'Onhand REST API' },
    staticCSP: CONTENT_SECURITY_POLICY,
  });
}
