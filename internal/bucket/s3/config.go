package s3

import (
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Config says where a bucket is and who asks. The zero value is what the
// environment says, by the names that every S3 client knows.
type Config struct {
	// Endpoint is the URL of the store; empty takes AWS_ENDPOINT_URL_S3,
	// AWS_ENDPOINT_URL, or Amazon's.
	Endpoint string
	// Region is the bucket's; empty takes AWS_REGION, AWS_DEFAULT_REGION, or
	// us-east-1.
	Region string
	// Credentials say who asks.
	Credentials Credentials
}

// Credentials name where credentials are, and never hold any. The zero value
// looks where every S3 client does: AWS_ACCESS_KEY_ID and its like, then the
// shared files; and asks without a name when there are none.
type Credentials struct {
	// Env is the beginning of the names of three variables, such as COLD for
	// COLD_ACCESS_KEY_ID, COLD_SECRET_ACCESS_KEY and COLD_SESSION_TOKEN.
	Env string
	// Profile is a section of the shared files, or of File.
	Profile string
	// File is a file in the form of ~/.aws/credentials. It is read for each
	// request, so that credentials which expire can be replaced.
	File string
}

// IsZero says that nothing was named.
func (c Credentials) IsZero() bool { return c == Credentials{} }

// CredentialsError says that credentials that were named are not there. It says
// where they were looked for, and nothing of what was found.
type CredentialsError struct{ Where string }

// Error implements error.
func (e *CredentialsError) Error() string { return "there are no credentials in " + e.Where }

// amazon is the endpoint of a region.
const amazon = "https://s3.%s.amazonaws.com"

// settle fills in what the environment says and checks it.
func (c Config) settle() (Config, *url.URL, error) {
	c.Region = first(c.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1")
	c.Endpoint = first(c.Endpoint, os.Getenv("AWS_ENDPOINT_URL_S3"), os.Getenv("AWS_ENDPOINT_URL"), fmt.Sprintf(amazon, c.Region))
	if !strings.Contains(c.Endpoint, "://") {
		c.Endpoint = "https://" + c.Endpoint
	}
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil: // its text would repeat the endpoint, and what may stand in it
		return c, nil, &EndpointError{"it is no URL"}
	case u.User != nil:
		return c, nil, &EndpointError{"credentials do not belong in it"}
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return c, nil, &EndpointError{"want http:// or https:// and a host"}
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return c, nil, &EndpointError{"want a host without a path"}
	}
	return c, u, nil
}

// EndpointError says what is wrong with an endpoint.
type EndpointError struct{ What string }

// Error implements error.
func (e *EndpointError) Error() string { return "the endpoint of the object store: " + e.What }

func first(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}

// open finds the credentials. Those that were named have to be there.
func (c Credentials) open() (*credentials.Credentials, error) {
	switch {
	case c.Env != "" && (c.Profile != "" || c.File != ""):
		return nil, &CredentialsError{"the environment and a file at once: name one"}
	case c.Env != "":
		key, secret := os.Getenv(c.Env+"_ACCESS_KEY_ID"), os.Getenv(c.Env+"_SECRET_ACCESS_KEY")
		if key == "" || secret == "" {
			return nil, &CredentialsError{fmt.Sprintf("the variables %s_ACCESS_KEY_ID and %[1]s_SECRET_ACCESS_KEY", c.Env)}
		}
		return credentials.NewStaticV4(key, secret, os.Getenv(c.Env+"_SESSION_TOKEN")), nil
	case c.Profile != "" || c.File != "":
		creds := credentials.NewFileAWSCredentials(c.File, c.Profile)
		if v, err := creds.GetWithContext(nil); err != nil || v.AccessKeyID == "" {
			return nil, &CredentialsError{fmt.Sprintf("profile %q of %s", first(c.Profile, "default"), first(c.File, "the shared files"))}
		}
		return creds, nil
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{},
	}), nil
}
