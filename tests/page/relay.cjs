// A relay of its own for the scripts beside this file: a built program, started on fresh files on ports that are free.
'use strict'

const { spawn } = require('node:child_process')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { createInterface } = require('node:readline')
const { once } = require('node:events')
const { dirname, join } = require('node:path')
const { tmpdir } = require('node:os')

/** The sandbox in the program, and a port where nobody is: there everything waits. */
const SANDBOX = 'endpoint = "sandbox"\nsandbox_listen = "127.0.0.1:0"'
const NOWHERE = 'endpoint = "http://127.0.0.1:9"\nprivate_key = "pk_nobody"'

/** Writes a configuration into a folder, beside the outbox; answers its path. */
function configure(folder, klaviyo = SANDBOX) {
  const path = join(folder, 'config.toml')
  writeFileSync(
    path,
    `[ingest]
listen = "127.0.0.1:0"
[[ingest.sources]]
name = "shop"
write_key = "dev"
[outbox]
path = "outbox.db"
min_free_disk = 0
[klaviyo]
${klaviyo}
[admin]
listen = "127.0.0.1:0"
[log]
format = "json"
[delivery.after_dead_for]
"Parcel Lost" = "hold"
`
  )
  return path
}

/** Starts one in a folder; stopped, it takes the folder with it. */
async function start(program, config = configure(mkdtempSync(join(tmpdir(), 'relay-')))) {
  const child = spawn(program, ['--config', config, 'serve'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const log = createInterface({ input: child.stderr })
  const ports = await new Promise((resolve, reject) => {
    const lines = []
    log.on('line', (line) => {
      lines.push(line)
      if (line.includes('"listening"')) resolve(JSON.parse(line))
    })
    log.on('close', () => reject(new Error(`the relay does not start: ${lines.join('\n')}`)))
  })
  const address = `http://${ports.admin}`
  const send = async (batch) => {
    const headers = { authorization: `Basic ${btoa('dev:')}` }
    const answer = await fetch(`http://${ports.ingest}/v1/batch`, { method: 'POST', headers, body: JSON.stringify({ batch }) })
    if (!answer.ok) throw new Error(`the relay takes nothing: ${await answer.text()}`)
  }
  const ask = async (path, body) => {
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(address + path, body && { method: 'POST', headers, body: JSON.stringify(body) })
    return answer.json()
  }
  const stop = async () => {
    // Nothing of it is kept.
    child.kill('SIGKILL')
    await once(child, 'exit')
    rmSync(dirname(config), { recursive: true })
  }
  return { address, send, ask, stop }
}

module.exports = { NOWHERE, configure, start }
