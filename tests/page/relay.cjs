// A relay of its own for the scripts beside this file: a built program, started on fresh files on ports that are free.
'use strict'

const { spawn } = require('node:child_process')
const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { createInterface } = require('node:readline')
const { once } = require('node:events')
const { join } = require('node:path')
const { tmpdir } = require('node:os')

const CONFIG = `
[ingest]
listen = "127.0.0.1:0"
[[ingest.sources]]
name = "shop"
write_key = "dev"
[outbox]
path = "outbox.db"
min_free_disk = 0
[klaviyo]
endpoint = "sandbox"
sandbox_listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[log]
format = "json"
[delivery.after_dead_for]
"Parcel Lost" = "hold"
`

/** Starts one. `outbox`: a file that is there already, and stays. */
async function start(program, outbox = 'outbox.db') {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'))
  writeFileSync(join(folder, 'config.toml'), CONFIG.replace('outbox.db', outbox))
  const child = spawn(program, ['--config', join(folder, 'config.toml'), 'serve'], { stdio: ['ignore', 'ignore', 'pipe'] })
  const log = createInterface({ input: child.stderr })
  const ports = await new Promise((resolve, reject) => {
    const said = []
    log.on('line', (line) => {
      said.push(line)
      if (line.includes('"listening"')) resolve(JSON.parse(line))
    })
    log.on('close', () => reject(new Error(`the relay does not start: ${said.join('\n')}`)))
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
    child.kill()
    await once(child, 'exit')
    rmSync(folder, { recursive: true })
  }
  return { address, ingest: `http://${ports.ingest}`, folder, send, ask, stop }
}

module.exports = { start }
