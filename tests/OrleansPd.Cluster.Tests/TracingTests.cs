using System.Collections.Concurrent;
using System.Diagnostics;
using OrleansPd.Client.Tracing;
using OrleansPd.Cluster.Tests.Support;

namespace OrleansPd.Cluster.Tests;

public class TracingTests
{
    [Fact]
    public async Task A_call_inside_a_span_has_a_span_on_both_ends_and_others_have_none()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is GrainCallTracing.Name or nameof(TracingTests),
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var source = new ActivitySource(nameof(TracingTests));
        await using var stage = await ClusterStage.StartAsync(silos: 2, prefill: 1, decode: 1);
        await stage.ReadyAsync(); // reports, feeds and looks all the time
        ActivityTraceId trace;
        using (var around = source.StartActivity("operator"))
        {
            trace = around!.TraceId;
            Assert.Equal(2, (await stage.Nodes[0].Plane.ListAsync(ClusterStage.Token)).Length);
            Assert.Equal(2, (await stage.Nodes[1].Plane.ListAsync(ClusterStage.Token)).Length);
        }
        await ClusterStage.UntilAsync(() => Calls(ActivityKind.Server).Count() == 4);
        Assert.Equal(4, Calls(ActivityKind.Client).Count());
        var sent = Calls(ActivityKind.Client).Select(s => s.SpanId).ToHashSet();
        Assert.All(Calls(ActivityKind.Server), span => Assert.Contains(span.ParentSpanId, sent));
        Assert.All(spans.Where(s => s.Source.Name == GrainCallTracing.Name), span => Assert.Equal(trace, span.TraceId));

        IEnumerable<Activity> Calls(ActivityKind kind) =>
            spans.Where(s => s.Kind == kind && s.OperationName.EndsWith("/View", StringComparison.Ordinal));
    }
}
