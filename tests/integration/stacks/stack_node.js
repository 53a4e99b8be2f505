// stack_node.js - one TLS session over Node.js on descriptor 0, as Haraka, WildDuck and their like have it.
'use strict';
const fs = require('fs');
const net = require('net');
const tls = require('tls');

const words = {};
for (const word of process.argv.slice(2)) {
    const at = word.indexOf('=');
    words[word.slice(0, at)] = word.slice(at + 1);
}

const given = (key) => (words[key] ? fs.readFileSync(words[key]) : undefined);
const versions = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' };

const options = {
    isServer: true,
    cert: given('cert'),
    key: given('key'),
    ca: given('ca'),
    minVersion: versions[words.low || '1.2'],
    maxVersion: versions[words.high || '1.3'],
    ciphers: words.ciphers,
    ecdhCurve: words.group || 'auto',
    dhparam: given('dh'),
    requestCert: words.client !== undefined,
    rejectUnauthorized: words.client === 'require',
};
if (words.alpn) options.ALPNProtocols = [words.alpn];
if (words.sni) {
    options.SNICallback = (name, done) =>
        name === words.sni ? done(null, tls.createSecureContext(options)) : done(new Error('no such name'));
}

setTimeout(() => process.exit(0), 20000).unref();

let answered = '';
function answer(socket, data) {
    answered += data;
    for (let at = answered.indexOf('\n'); at >= 0; at = answered.indexOf('\n')) {
        const verb = answered.slice(0, 4).toUpperCase();
        answered = answered.slice(at + 1);
        if (verb === 'EHLO')
            socket.write('250-mx.ferry.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n');
        else if (verb === 'QUIT') {
            socket.write('221 2.0.0 Bye\r\n');
            if (words.notify === 'no') plain.destroySoon();
            else socket.end();
        } else socket.write('250 2.0.0 OK\r\n');
    }
}

// A server of its own, for that is what sees to client certificates; the connection is handed to it.
const server = tls.createServer(options, (socket) => {
    socket.on('data', (data) => answer(socket, data.toString('latin1')));
    socket.on('error', () => plain.destroy());
    socket.on('close', () => plain.destroy());
});
server.on('tlsClientError', (error) => {
    if (words.trace) process.stderr.write(error + '\n');
});
const plain = new net.Socket({ fd: 0, readable: true, writable: true });
plain.on('error', () => {});
server.emit('connection', plain);
