// Runs before every script of this repository, on whatever Node is there: plain JavaScript that old versions parse.
// npm's own `pre` scripts cannot do this, because .npmrc turns them off together with the install scripts.
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`Sluice needs Node.js 24.12 or newer; this is ${process.version} (${process.execPath}).

  - On Linux, "npm ci" brings a fitting Node into node_modules/.bin, and "npm run" and "npm test" use it by themselves.
    Run "npm ci" (without --omit=optional) and then the command again.
  - Elsewhere, or to run files directly, install Node 24; the file .nvmrc names it ("nvm install", "fnm use").`);
  process.exit(1);
}
