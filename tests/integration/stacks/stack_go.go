// stack_go.go - one TLS session over Go's crypto/tls on descriptor 0, as maddy, mox and chasquid have it.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"
)

var words = map[string]string{}

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "broken:", err)
		os.Exit(9)
	}
}

func version(key string, otherwise uint16) uint16 {
	for word, number := range map[string]uint16{"1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11,
		"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13} {
		if words[key] == word {
			return number
		}
	}
	return otherwise
}

// A certificate and a key that need not belong together, which X509KeyPair would see.
func identity() tls.Certificate {
	pair, err := tls.LoadX509KeyPair(words["cert"], words["cert_key"])
	need(err)
	if words["key"] != words["cert_key"] {
		other, err := tls.LoadX509KeyPair(words["other"], words["key"])
		need(err)
		pair.PrivateKey = other.PrivateKey
	}
	return pair
}

func settings() *tls.Config {
	config := &tls.Config{MinVersion: version("low", tls.VersionTLS12), MaxVersion: version("high", tls.VersionTLS13)}
	if words["cert"] != "" {
		config.Certificates = []tls.Certificate{identity()}
	} else {
		config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	}
	if words["sni"] != "" { // as autocert and certmagic do with names that they do not manage
		one := config.Certificates[0]
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName != words["sni"] {
				return nil, errors.New("no certificate for this name")
			}
			return &one, nil
		}
		config.Certificates = nil
	}
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if words["ciphers"] == suite.Name {
			config.CipherSuites = []uint16{suite.ID}
		}
	}
	switch words["client"] {
	case "require":
		config.ClientAuth = tls.RequireAndVerifyClientCert
	case "request":
		config.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if words["ca"] != "" {
		pem, err := os.ReadFile(words["ca"])
		need(err)
		config.ClientCAs = x509.NewCertPool()
		config.ClientCAs.AppendCertsFromPEM(pem)
	}
	return config
}

func converse(inside *tls.Conn) bool {
	lines := bufio.NewReader(inside)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false
		}
		switch verb := strings.ToUpper(strings.TrimSpace(line) + "    ")[:4]; verb {
		case "EHLO":
			inside.Write([]byte("250-mx.ferry.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"))
		case "QUIT":
			inside.Write([]byte("221 2.0.0 Bye\r\n"))
			return true
		default:
			inside.Write([]byte("250 2.0.0 OK\r\n"))
		}
	}
}

func main() {
	for _, word := range os.Args[1:] {
		key, value, _ := strings.Cut(word, "=")
		words[key] = value
	}
	plain, err := net.FileConn(os.Stdin)
	need(err)
	os.Stdin.Close()
	plain.SetDeadline(time.Now().Add(20 * time.Second))
	inside := tls.Server(plain, settings())
	if err := inside.Handshake(); err != nil {
		if words["trace"] != "" {
			fmt.Fprintln(os.Stderr, err)
		}
		plain.Close()
		return
	}
	if converse(inside) && words["notify"] != "no" {
		inside.Close()
	}
	plain.Close()
}
