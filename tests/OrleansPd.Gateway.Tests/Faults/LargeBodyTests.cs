using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using OrleansPd.Engines.Requests;
using OrleansPd.Gateway.Tests.Support;
using OrleansPd.Gateway.Wire;
using OrleansPd.Net.Http1;
using OrleansPd.Simulator.Model;

namespace OrleansPd.Gateway.Tests.Faults;

/// <summary>Row F41 of the fault matrix: prompts of 220 KB to 20 MB.</summary>
public sealed class LargeBodyTests(ITestOutputHelper output)
{
    private static readonly int[] Sizes = [220_000, 2_000_000, 20_000_000];

    /// <summary>All that the gateway does with a body: read it, scan it, splice it for both legs, hand its bytes on.</summary>
    [Fact]
    public async Task F41_a_large_body_is_never_copied_again_and_its_cost_grows_with_its_length_alone()
    {
        var times = new List<double>();
        foreach (var size in Sizes)
        {
            var body = Encoding.UTF8.GetBytes(Body(size));
            await PassAsync(body); // the pool has its arrays now
            var (allocated, best) = (long.MaxValue, double.MaxValue);
            for (var i = 0; i < 5; i++)
            {
                var before = GC.GetAllocatedBytesForCurrentThread();
                var clock = Stopwatch.StartNew();
                await PassAsync(body);
                best = Math.Min(best, clock.Elapsed.TotalMilliseconds);
                allocated = Math.Min(allocated, GC.GetAllocatedBytesForCurrentThread() - before);
            }
            output.WriteLine($"{size / 1e6:0.00} MB: {best:0.00} ms, {allocated} bytes allocated");
            Assert.InRange(allocated, 0, 80_000); // below the large-object threshold in all, whatever the size
            times.Add(best);
        }
        Assert.InRange(times[2] / times[1], 0, 60); // 10 where it is linear, 100 where it is quadratic
    }

    [Theory]
    [InlineData(220_000)]
    [InlineData(4_000_000)]
    public async Task F41_a_large_prompt_goes_through_a_pair_unaltered(int size)
    {
        await using var stage = await Stage.StartAsync(
            engine: o => o with { ContextLength = 10_000_000, TokenCapacity = 10_000_000 });
        var body = Body(size);
        var clock = Stopwatch.StartNew();
        using var response = await stage.PostAsync("/generate", body);
        var text = await response.Content.ReadAsStringAsync(Stage.Token);
        Assert.True(response.StatusCode == HttpStatusCode.OK, text);
        output.WriteLine($"{size / 1e6:0.0} MB in {clock.ElapsedMilliseconds} ms, engines included");
        var prompt = (string)JsonNode.Parse(body)!["text"]!;
        Assert.Equal(ReferenceModel.Complete(
            prompt, 4, new Sampling { IgnoreEos = true }), (string)JsonNode.Parse(text)!["text"]!);
        await stage.EmptyAsync();
    }

    private static string Body(int size)
    {
        var text = new StringBuilder(size);
        for (var i = 0; text.Length < size - 100; i++)
            text.Append("word").Append(i % 7919).Append(i % 50 == 0 ? "\n\"quoted\" and naïve " : " ");
        return new JsonObject
        {
            ["text"] = text.ToString(),
            ["bootstrap_room"] = 5,
            ["sampling_params"] = new JsonObject { ["max_new_tokens"] = 4, ["ignore_eos"] = true },
        }.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
    }

    private static async Task PassAsync(byte[] bytes)
    {
        var context = new DefaultHttpContext();
        context.Request.Body = new MemoryStream(bytes);
        context.Request.ContentLength = bytes.Length;
        using var body = (await BodyReader.ReadAsync(context.Request, long.MaxValue, CancellationToken.None))!;
        var shape = new RequestShape();
        Assert.True(RequestScanner.TryScan(body.Memory.Span, Dialect.Generate, new ScanLimits(), shape, out _));
        for (var leg = 0; leg < 2; leg++)
        {
            using var spliced = BodySplicer.Splice(
                body.Memory, shape, new LegMembers { BootstrapHost = "h", BootstrapPort = 8998, Room = 17, Rid = "r" });
            var upstream = new UpstreamBody(spliced);
            for (var i = 0; i < upstream.SegmentCount; i++)
                await Stream.Null.WriteAsync(upstream.Segment(i));
        }
    }
}
