package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Of a test that waits for what never comes; a real client gives its stream no deadline.
const deadline = 60 * time.Second

type dialer struct {
	address     string
	token       string
	credentials credentials.TransportCredentials
}

func newDialer(given options) (*dialer, error) {
	dial := &dialer{address: given.address, token: given.token, credentials: insecure.NewCredentials()}
	if given.ca == "" {
		return dial, nil
	}
	pem, err := os.ReadFile(given.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", given.ca)
	}
	dial.credentials = credentials.NewTLS(&tls.Config{RootCAs: roots})
	return dial, nil
}

// A gRPC connection whose TCP connection can be cut from under it.
type connection struct {
	*grpc.ClientConn
	lock sync.Mutex
	tcp  []net.Conn
}

func (dial *dialer) connect() (*connection, error) {
	made := &connection{}
	client, err := grpc.NewClient("passthrough:///"+dial.address,
		grpc.WithTransportCredentials(dial.credentials),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			tcp, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			if err == nil {
				made.lock.Lock()
				made.tcp = append(made.tcp, tcp)
				made.lock.Unlock()
			}
			return tcp, err
		}))
	made.ClientConn = client
	return made, err
}

// Drops the connection with nothing said: no half-close, no cancel, no GOAWAY.
func (made *connection) cut() error {
	made.lock.Lock()
	defer made.lock.Unlock()
	var errs []error
	for _, tcp := range made.tcp {
		if err := tcp.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, made.Close())...)
}

// `bearer` of a step goes before the token; an empty one is none.
func (dial *dialer) context(seconds *float64, bearer *string) (context.Context, context.CancelFunc) {
	limit := deadline
	if seconds != nil {
		limit = time.Duration(*seconds * float64(time.Second))
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	token := dial.token
	if bearer != nil {
		token = *bearer
	}
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return ctx, cancel
}
