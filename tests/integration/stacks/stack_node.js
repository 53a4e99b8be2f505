// stack_node.js - STARTTLS servers over Node.js, one a line of standard input, as Haraka and WildDuck have them.
//
// Each line is "NAME KEY=VALUE ..."; answers "NAME PORT". Serves until standard input ends.
'use strict';
const fs = require('fs');
const net = require('net');
const readline = require('readline');
const tls = require('tls');

const VERSIONS = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' };

function optionsOf(words) {
    const given = (key) => (words[key] ? fs.readFileSync(words[key]) : undefined);
    const options = {
        cert: given('cert'),
        key: given('key'),
        ca: given('ca'),
        minVersion: VERSIONS[words.low || '1.2'],
        maxVersion: VERSIONS[words.high || '1.3'],
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
    return options;
}

// Calls take(line) for every whole line; what is behind one that returned false is left to others.
function readLines(socket, take) {
    let held = '';
    const onData = (data) => {
        held += data.toString('latin1');
        for (let at = held.indexOf('\n'); at >= 0; at = held.indexOf('\n')) {
            const line = held.slice(0, at).trim().toUpperCase();
            held = held.slice(at + 1);
            if (!take(line)) return socket.off('data', onData);
        }
    };
    socket.on('data', onData);
}

function converse(inside, plain, words) {
    inside.on('error', () => plain.destroy());
    inside.on('close', () => plain.destroy());
    readLines(inside, (line) => {
        if (line.startsWith('EHLO')) inside.write('250-mx.ferry.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n');
        else if (line === 'QUIT') {
            inside.write('221 2.0.0 Bye\r\n');
            if (words.notify === 'no') plain.destroySoon();
            else inside.end();
            return false;
        } else inside.write('250 2.0.0 OK\r\n');
        return true;
    });
}

function serve(words, answer) {
    // A server of its own, for that is what sees to client certificates; connections are handed to it.
    const secure = tls.createServer(optionsOf(words), (inside) => converse(inside, inside._parent || inside, words));
    secure.on('tlsClientError', () => {});
    net.createServer((plain) => {
        plain.on('error', () => plain.destroy());
        plain.write('220 mx.ferry.example ESMTP Haraka ready\r\n');
        readLines(plain, (line) => {
            if (line.startsWith('EHLO')) plain.write('250-mx.ferry.example\r\n250-STARTTLS\r\n250 8BITMIME\r\n');
            else if (line === 'STARTTLS') {
                plain.write('220 2.0.0 Ready to start TLS\r\n');
                plain.pause();
                secure.emit('connection', plain);
                return false;
            } else if (line === 'QUIT') plain.end('221 2.0.0 Bye\r\n');
            else plain.write('250 2.0.0 OK\r\n');
            return true;
        });
    }).listen(0, '127.0.0.1', function () {
        answer(this.address().port);
    });
}

readline
    .createInterface({ input: process.stdin })
    .on('line', (line) => {
        const [name, ...rest] = line.split(' ');
        const words = Object.fromEntries(rest.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)]));
        serve(words, (port) => process.stdout.write(`${name} ${port}\n`));
    })
    .on('close', () => process.exit(0));
