// send_by_nodemailer.js - sends what standard input describes as JSON: {transport, envelope, file}.
"use strict";
const fs = require("fs");
const nodemailer = require("nodemailer");

const job = JSON.parse(fs.readFileSync(0, "utf8"));
const transport = nodemailer.createTransport(job.transport);

transport.sendMail({ envelope: job.envelope, raw: { path: job.file } }, (error, info) => {
    if (error)
        console.error(error.message);
    else
        console.log(info.response);
    transport.close();
    process.exitCode = error ? 1 : 0;
});
