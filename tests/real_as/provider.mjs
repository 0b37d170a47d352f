// The authorization server: keys, clients, resources, and a login that asks nobody.
import { generateKeyPair, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

import { Provider, errors } from 'oidc-provider';
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js';
import LRU from 'oidc-provider/lib/helpers/lru.js';

import { withGrantId } from '../../docs/authorization-servers/oidc-provider/feed.mjs';

export const MACHINE = { client_id: 'machine', client_secret: 'machine-secret' };
export const APP = { client_id: 'app', client_secret: 'app-secret', redirect_uri: 'http://127.0.0.1/callback' };
const SCOPE = 'read:events write:events';
const DAY = 86_400;

const ALGORITHMS = {
  rs256: { alg: 'RS256', type: 'rsa', options: { modulusLength: 2048 } },
  ps256: { alg: 'PS256', type: 'rsa', options: { modulusLength: 2048 } },
  es256: { alg: 'ES256', type: 'ec', options: { namedCurve: 'P-256' } },
  eddsa: { alg: 'EdDSA', type: 'ed25519', options: {} },
};
export const RESOURCES = Object.fromEntries(
  Object.keys(ALGORITHMS).map((name) => [name, `https://api.example.test/${name}`]),
);
const algorithmOf = new Map(Object.entries(RESOURCES).map(([name, uri]) => [uri, ALGORITHMS[name].alg]));
const JWS_ALGORITHMS = Object.values(ALGORITHMS).map(({ alg }) => alg);

async function newKey({ alg, type, options }) {
  const { privateKey } = await promisify(generateKeyPair)(type, options);
  const kid = `${alg.toLowerCase()}-${randomBytes(6).toString('hex')}`;
  return { ...privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
}

export async function createProvider(issuer, ttl, namesGrants) {
  const keys = await Promise.all(Object.values(ALGORITHMS).map(newKey));

  // The built-in store forgets after 1 000 records, a few hundred logins; a refresh token must not vanish in a long test.
  const store = new LRU({ maxSize: 1_000_000 });
  const resourceTtl = (ctx, token) => token.resourceServer?.accessTokenTTL ?? ttl;

  const provider = new Provider(issuer, {
    adapter: (model) => new MemoryAdapter(model, store),
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: JWS_ALGORITHMS },
    clients: [
      {
        ...MACHINE,
        grant_types: ['client_credentials'],
        redirect_uris: [],
        response_types: [],
      },
      {
        client_id: APP.client_id,
        client_secret: APP.client_secret,
        grant_types: ['authorization_code', 'refresh_token'],
        redirect_uris: [APP.redirect_uri],
        response_types: ['code'],
      },
    ],
    scopes: ['openid', 'offline_access'],
    pkce: { required: () => true },
    cookies: { keys: [randomBytes(32).toString('hex')] },
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    extraTokenClaims: namesGrants ? withGrantId() : undefined,
    issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      registration: { enabled: true },
      registrationManagement: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      userinfo: { enabled: false },
      revocation: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo(ctx, resource) {
          const alg = algorithmOf.get(resource);
          if (!alg) throw new errors.InvalidTarget();
          return {
            scope: SCOPE,
            audience: resource,
            accessTokenTTL: ttl,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg } },
          };
        },
      },
    },
    ttl: {
      AccessToken: resourceTtl,
      ClientCredentials: resourceTtl,
      AuthorizationCode: 60,
      IdToken: 300,
      Interaction: 600,
      RefreshToken: DAY,
      Session: DAY,
      Grant: DAY,
    },
  });
  provider.on('server_error', (ctx, error) => console.error(error));
  return provider;
}

/** Logs in the user named by `login_hint` and grants what was asked for, as a new grant each time. */
export async function loginAndConsent(provider, req, res) {
  const { params } = await provider.interactionDetails(req, res);
  const accountId = params.login_hint || 'user-1';
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  const scope = params.scope ?? '';
  grant.addOIDCScope(scope);
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  await provider.interactionFinished(req, res, { login: { accountId }, consent: { grantId } });
}
