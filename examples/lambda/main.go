// Command lambda is a function for Foreshock's lambda action: it gives an Auto Scaling
// group one step more instances, or as many as the plan foresees where the action scales
// ahead, within bounds that no caller can move, and takes the step back when asked to.
//
// Its bounds are the environment variables MIN and MAX, the group's own MinSize and
// MaxSize, and what policy.json lets it do at all. A step is taken once for each
// idempotency key, whoever calls again: the key is written to the group as a tag before
// the step is taken, so that a crash in between costs the step and never doubles it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
)

// request is what Foreshock sends. The plan's labels are in it too and do not matter
// here: whoever writes labels is not to choose a number.
type request struct {
	IdempotencyKey string `json:"idempotency_key"`
	// Operation is "do" or "undo".
	Operation string `json:"operation"`
	// Undoes is the key of what is to be taken back.
	Undoes string `json:"undoes"`
	Plan   struct {
		// Target is the group: one of the targets in Foreshock's configuration.
		Target string `json:"target"`
		// Value is how many instances are to be, within the bounds of an action with a
		// scale; "" for one more.
		Value string `json:"value"`
	} `json:"plan"`
}

type response struct {
	Group string `json:"group"`
	From  int32  `json:"from"`
	To    int32  `json:"to"`
	// Repeated says that the key was known and nothing was done.
	Repeated bool `json:"repeated,omitempty"`
}

// The group's tags: the last key, and how many instances were wanted before it.
const keyTag, fromTag = "foreshock:key", "foreshock:from"

type scaler struct {
	groups   *autoscaling.Client
	min, max int32 // instances
}

func main() {
	s, err := newScaler(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	lambda.Start(s.handle)
}

func newScaler(ctx context.Context) (*scaler, error) {
	least, err := bound("MIN")
	if err != nil {
		return nil, err
	}
	most, err := bound("MAX")
	if err != nil {
		return nil, err
	}
	if least > most {
		return nil, fmt.Errorf("MIN: must not be above MAX, got %d and %d", least, most)
	}
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	return &scaler{autoscaling.NewFromConfig(c), least, most}, nil
}

func bound(name string) (int32, error) {
	n, err := strconv.ParseInt(os.Getenv(name), 10, 32)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: must be a number of instances, got %q", name, os.Getenv(name))
	}
	return int32(n), nil
}

func (s *scaler) handle(ctx context.Context, r request) (response, error) {
	if r.IdempotencyKey == "" || r.Plan.Target == "" {
		return response{}, errors.New("a request needs an idempotency_key and a plan with a target")
	}
	group, err := s.find(ctx, r.Plan.Target)
	if err != nil {
		return response{}, err
	}
	wanted := aws.ToInt32(group.DesiredCapacity)
	done := response{Group: r.Plan.Target, From: wanted, To: wanted}
	if tag(group, keyTag) == r.IdempotencyKey {
		done.Repeated = true
		return done, nil
	}
	switch r.Operation {
	case "do":
		if done.To, err = asked(wanted, r.Plan.Value); err != nil {
			return response{}, err
		}
	case "undo":
		from, err := strconv.ParseInt(tag(group, fromTag), 10, 32)
		if r.Undoes == "" || tag(group, keyTag) != r.Undoes || err != nil {
			return response{}, errors.New("the last step was another: there is nothing to take back")
		}
		done.To = int32(from)
	default:
		return response{}, fmt.Errorf("operation %q is neither do nor undo", r.Operation)
	}
	least, most := max(s.min, aws.ToInt32(group.MinSize)), min(s.max, aws.ToInt32(group.MaxSize))
	if done.To < least || done.To > most {
		return response{}, fmt.Errorf("%d instances are not within %d to %d", done.To, least, most)
	}
	return done, s.scale(ctx, done, r.IdempotencyKey)
}

// asked is how many instances there are to be: what the plan foresees, or one more.
func asked(wanted int32, value string) (int32, error) {
	if value == "" {
		return wanted + 1, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("the plan's value must be a number of instances, got %q", value)
	}
	return int32(n), nil
}

func (s *scaler) find(ctx context.Context, name string) (types.AutoScalingGroup, error) {
	out, err := s.groups.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}})
	if err != nil {
		return types.AutoScalingGroup{}, err
	}
	if len(out.AutoScalingGroups) != 1 {
		return types.AutoScalingGroup{}, fmt.Errorf("%d groups are called %q", len(out.AutoScalingGroups), name)
	}
	return out.AutoScalingGroups[0], nil
}

// scale says what it is about to do before it does it.
func (s *scaler) scale(ctx context.Context, r response, key string) error {
	set := func(name, value string) types.Tag {
		return types.Tag{
			ResourceId: &r.Group, ResourceType: aws.String("auto-scaling-group"),
			Key: &name, Value: &value, PropagateAtLaunch: aws.Bool(false),
		}
	}
	_, err := s.groups.CreateOrUpdateTags(ctx, &autoscaling.CreateOrUpdateTagsInput{
		Tags: []types.Tag{set(keyTag, key), set(fromTag, strconv.Itoa(int(r.From)))},
	})
	if err != nil {
		return err
	}
	// While the group still does what it was told before, AWS refuses.
	_, err = s.groups.SetDesiredCapacity(ctx, &autoscaling.SetDesiredCapacityInput{
		AutoScalingGroupName: &r.Group, DesiredCapacity: &r.To, HonorCooldown: aws.Bool(true),
	})
	return err
}

func tag(group types.AutoScalingGroup, name string) string {
	for _, t := range group.Tags {
		if aws.ToString(t.Key) == name {
			return aws.ToString(t.Value)
		}
	}
	return ""
}
