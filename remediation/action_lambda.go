package remediation

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"
	"github.com/prometheus/common/model"
	"github.com/prometheus/sigv4"
)

// LambdaConfig is an action that invokes a fixed AWS Lambda function, once, and waits
// for its answer. The function is given JSON:
//
//	{"idempotency_key": "…", "operation": "do", "parameters": {…}, "plan": {…}}
//
// The key names the alert's episode and is the same whoever asks; it stands in the
// client context too. A function that answers without an error has succeeded.
type LambdaConfig struct {
	// Function is the function's name or ARN.
	Function string `yaml:"function"`

	// Qualifier is the version or alias to invoke. Without one it is whatever was
	// deployed last.
	Qualifier string `yaml:"qualifier,omitempty"`

	// Parameters are given to the function as they are here.
	Parameters map[string]string `yaml:"parameters,omitempty"`

	// Rollback says that the function takes back what it did when operation is "undo"
	// and undoes is the idempotency key of that.
	Rollback bool `yaml:"rollback,omitempty"`

	// Idempotent says that the function does nothing for an idempotency key that it
	// has seen.
	Idempotent bool `yaml:"idempotent,omitempty"`

	// SigV4 is the region and the credentials, as in Prometheus. What is not set comes
	// from where AWS's own programs have it.
	SigV4 sigv4.SigV4Config `yaml:"sigv4,omitempty"`

	// Endpoint is where the Lambda API is, if not at its usual place in the region.
	Endpoint string `yaml:"endpoint,omitempty"`

	// Timeout is how long the whole exchange may take. From 1ms to 10m.
	Timeout model.Duration `yaml:"timeout"`
}

// DefaultLambdaConfig is what a Lambda action starts from.
func DefaultLambdaConfig() LambdaConfig {
	return LambdaConfig{Timeout: model.Duration(time.Minute)}
}

// UnmarshalYAML decodes over the defaults.
func (c *LambdaConfig) UnmarshalYAML(unmarshal func(any) error) error {
	type plain LambdaConfig
	*c = DefaultLambdaConfig()
	return unmarshal((*plain)(c))
}

// SetDirectory does nothing: no file is named.
func (c *LambdaConfig) SetDirectory(string) {}

// Lambda's own rules, in its API reference of Invoke.
var (
	lambdaFunction  = regexp.MustCompile(`\A(arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:)?[A-Za-z0-9_-]{1,64}\z`)
	lambdaQualifier = regexp.MustCompile(`\A(\$LATEST|[A-Za-z0-9_-]{1,128})\z`)
)

func (c LambdaConfig) validate(path string, _ []string) error {
	errs := []error{checkTimeout(path, c.Timeout)}
	if !lambdaFunction.MatchString(c.Function) {
		errs = append(errs, fmt.Errorf("%s.function: must be a name or an ARN without a qualifier, got %q", path, c.Function))
	}
	if c.Qualifier != "" && !lambdaQualifier.MatchString(c.Qualifier) {
		errs = append(errs, fmt.Errorf("%s.qualifier: must be a version or an alias, got %q", path, c.Qualifier))
	}
	if c.Endpoint != "" {
		if _, err := parseURL(c.Endpoint); err != nil {
			errs = append(errs, fmt.Errorf("%s.endpoint: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// lambda is the action made ready.
type lambda struct {
	config LambdaConfig
	client *awslambda.Client
}

func (c LambdaConfig) build() (action, error) {
	loaded, err := c.load()
	if err != nil {
		return nil, fmt.Errorf("sigv4: %w", err)
	}
	client := awslambda.NewFromConfig(loaded, func(o *awslambda.Options) {
		o.Retryer = aws.NopRetryer{} // the first try may have worked
		o.HTTPClient = &http.Client{
			Transport: boundedTransport{&http.Transport{
				Proxy:             http.ProxyFromEnvironment,
				DialContext:       (&net.Dialer{Control: refuseLinkLocal}).DialContext,
				ForceAttemptHTTP2: true,
				// Actions are rare: a kept connection would be a stale one.
				DisableKeepAlives: true,
			}},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		if c.Endpoint != "" {
			o.BaseEndpoint = &c.Endpoint
		}
	})
	return &lambda{c, client}, nil
}

// load finds the region and the credentials as Prometheus's sigv4 does. It calls
// nobody.
func (c LambdaConfig) load() (aws.Config, error) {
	// The SDK would write warnings to standard error.
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{})}
	if c.SigV4.AccessKey != "" {
		options = append(options, awsconfig.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.SigV4.AccessKey, string(c.SigV4.SecretKey), "")))
	}
	if c.SigV4.Region != "" {
		options = append(options, awsconfig.WithRegion(c.SigV4.Region))
	}
	if c.SigV4.Profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(c.SigV4.Profile))
	}
	if c.SigV4.UseFIPSSTSEndpoint {
		options = append(options, awsconfig.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	loaded, err := awsconfig.LoadDefaultConfig(context.Background(), options...)
	if err != nil {
		return aws.Config{}, err
	}
	if loaded.Region == "" {
		return aws.Config{}, errors.New("region: must be set, here or where AWS's own programs find it")
	}
	if c.SigV4.RoleARN != "" {
		loaded.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), c.SigV4.RoleARN,
			func(o *stscreds.AssumeRoleOptions) {
				if c.SigV4.ExternalID != "" {
					o.ExternalID = &c.SigV4.ExternalID
				}
				if c.SigV4.SessionName != "" {
					o.RoleSessionName = c.SigV4.SessionName
				}
			}))
	}
	return loaded, nil
}

// lambdaRequest is what the function is given.
type lambdaRequest struct {
	IdempotencyKey string            `json:"idempotency_key"`
	Operation      string            `json:"operation"`
	Undoes         string            `json:"undoes,omitempty"`
	Parameters     map[string]string `json:"parameters,omitempty"`
	Plan           plan              `json:"plan"`
}

func (l *lambda) prepare(p plan) (deed, error) {
	c := l.config
	do := lambdaRequest{IdempotencyKey: p.id(), Operation: "do", Parameters: c.Parameters, Plan: p}
	payload, err := json.Marshal(do)
	if err != nil {
		return deed{}, err
	}
	d := deed{
		digest:     digest("lambda", c.SigV4.Region, c.SigV4.RoleARN, c.Endpoint, c.Function, c.Qualifier, string(payload)),
		idempotent: c.Idempotent,
		rehearse: func(ctx context.Context) (string, error) {
			if _, err := l.invoke(ctx, types.InvocationTypeDryRun, do); err != nil {
				return "", err
			}
			return fmt.Sprintf("%s may be invoked; more cannot be known without", c.Function), nil
		},
		do: func(ctx context.Context) (string, error) {
			return l.invoke(ctx, types.InvocationTypeRequestResponse, do)
		},
	}
	if c.Rollback {
		undo := do
		undo.IdempotencyKey, undo.Operation, undo.Undoes = do.IdempotencyKey+"-undo", "undo", do.IdempotencyKey
		d.undo = func(ctx context.Context) (string, error) {
			return l.invoke(ctx, types.InvocationTypeRequestResponse, undo)
		}
	}
	return d, nil
}

// invoke calls the function once and returns what it answered, and the end of its log.
func (l *lambda) invoke(ctx context.Context, how types.InvocationType, request lambdaRequest) (string, error) {
	timeout := time.Duration(l.config.Timeout)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	payload, err := json.Marshal(request)
	if err != nil {
		return "", err
	}
	input := &awslambda.InvokeInput{
		FunctionName:   &l.config.Function,
		InvocationType: how,
		LogType:        types.LogTypeTail,
		Payload:        payload,
		ClientContext:  clientContext(request),
	}
	if how == types.InvocationTypeDryRun {
		input.LogType = types.LogTypeNone
	}
	if l.config.Qualifier != "" {
		input.Qualifier = &l.config.Qualifier
	}
	seen := &secrets{values: []string{string(l.config.SigV4.SecretKey)}}
	answer, err := l.client.Invoke(seen.watch(ctx), input)
	if err != nil && ctx.Err() != nil {
		return "", fmt.Errorf("no answer, and it may have acted: %w", interrupted(ctx, timeout))
	}
	if err != nil {
		return "", errors.New(seen.redact(clip(err.Error(), maxReason)))
	}
	var out excerpt
	_, _ = out.Write(answer.Payload)
	if log, err := base64.StdEncoding.DecodeString(aws.ToString(answer.LogResult)); err == nil && len(log) > 0 {
		_, _ = out.Write(append([]byte("\n"), log...))
	}
	output := seen.redact(out.String())
	if answer.FunctionError != nil {
		return output, fmt.Errorf("the function failed: %s", seen.redact(clip(functionError(answer), 200)))
	}
	return output, nil
}

// functionError is what Lambda's runtimes say is wrong, or the kind of error alone.
func functionError(answer *awslambda.InvokeOutput) string {
	var thrown struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(answer.Payload, &thrown) == nil && thrown.Message != "" {
		return thrown.Message
	}
	return aws.ToString(answer.FunctionError)
}

// clientContext is where a function finds the key without reading its payload, as
// clientContext.custom of its context. Of the alert it holds nothing.
func clientContext(r lambdaRequest) *string {
	b, err := json.Marshal(map[string]any{"custom": map[string]string{
		"foreshock_idempotency_key": r.IdempotencyKey, "foreshock_operation": r.Operation,
	}})
	if err != nil {
		panic(err) // strings
	}
	text := base64.StdEncoding.EncodeToString(b)
	return &text
}

// maxAnswer bounds what is read of an answer: Lambda's own limit of a synchronous
// one, 6 MB, and its log.
const maxAnswer = 6<<20 + 64<<10

// boundedTransport ends an answer that goes on and on: the SDK would read it all.
type boundedTransport struct{ next http.RoundTripper }

// RoundTrip is http.RoundTripper's.
func (t boundedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err == nil {
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

// boundedBody fails after left bytes, where io.LimitReader would end as if all was
// said.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
