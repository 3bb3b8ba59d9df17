using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;

namespace OrleansPd.Server.Tests.Commands;

public sealed class DemoCommandTests
{
    [Fact]
    public async Task A_trace_through_many_ranks_is_answered_as_by_one_engine_and_leaves_nothing_behind()
    {
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync("demo", "--once", "--port", "0", "--requests", "800", "--rate", "0", "--speed", "0",
            "--prefill-dp", "4", "--decode-dp", "2", "--scale", "0.5");

        Assert.Equal((0, ""), (code, bed.Error));
        Assert.Contains("800 succeeded, 0 failed", bed.Out);
        Assert.Contains("all 800 answers equal those of a single engine, token by token", bed.Out);
        Assert.Contains("nothing left behind: 0 requests and 0 legs in the gateway, 0 requests and 0 slots in engines", bed.Out);
        Assert.Contains(" 0 used twice; engines reported 0 errors of the gateway", bed.Out);
        Assert.Matches("pair +prefill-[12] rank [0-3] -> decode-[12] rank [01]", bed.Out);
        Assert.Contains("the same text as from a single engine", bed.Out);
        Assert.DoesNotContain('\e', bed.Out);
    }

    [Fact]
    public async Task It_works_with_separate_processes()
    {
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync("demo", "--once", "--processes", "--port", "0", "--requests", "20", "--rate", "0",
            "--speed", "0", "--prefill-engines", "1", "--decode-engines", "1");

        Assert.Equal((0, ""), (code, bed.Error));
        Assert.Contains("all 20 answers equal those of a single engine", bed.Out);
        Assert.Contains("the gateway's process", bed.Out);
    }

    [Fact]
    public async Task It_keeps_serving_and_the_curl_line_works()
    {
        using var stop = new CancellationTokenSource();
        var served = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var bed = new CommandLineTestBed { Said = text => Tell(text, served) };

        var demo = bed.RunUntilAsync(stop.Token, "demo", "--port", "0", "--requests", "5", "--rate", "0", "--speed", "0");
        Assert.Equal(served.Task, await Task.WhenAny(served.Task, demo));
        var curl = Regex.Match(await served.Task, @"curl -N (\S+) -H 'Content-Type: application/json' \\\s+-d '(.*)'");
        using var http = new HttpClient();
        using var body = new StringContent(curl.Groups[2].Value, System.Text.Encoding.UTF8, "application/json");
        using var answer = await http.PostAsync(curl.Groups[1].Value, body, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        await stop.CancelAsync();

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.EndsWith("data: [DONE]", text.TrimEnd());
        Assert.Equal((0, ""), (await demo, bed.Error));
    }

    [Theory]
    [InlineData]
    [InlineData("--processes")]
    public async Task A_taken_port_says_so_and_what_to_do(params string[] more)
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var port = ((IPEndPoint)taken.LocalEndpoint).Port;
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync(
            ["demo", "--once", "--prefill-engines", "1", "--decode-engines", "1", "--port", $"{port}", .. more]);

        Assert.Equal(1, code);
        Assert.Equal($"error: port {port} on 127.0.0.1 is taken by another process: stop that one, or choose another port with "
            + "--port (0 = any free port).", bed.Error.TrimEnd());
    }

    [Theory]
    [InlineData("demo --requests 0", "--requests: '0' is not a whole number from 1 to 10000000.")]
    [InlineData("demo --trace nowhere", "--trace: there is no file nowhere.")]
    public async Task Bad_input_starts_nothing(string line, string message)
    {
        var bed = new CommandLineTestBed();

        Assert.Equal((2, ""), (await bed.RunAsync(line.Split(' ')), bed.Out));
        Assert.Equal($"error: {message}", bed.Error.Split('\n')[0].TrimEnd());
    }

    private static void Tell(string text, TaskCompletionSource<string> served)
    {
        if (text.Contains("curl", StringComparison.Ordinal) && text.TrimEnd().EndsWith('\''))
            served.TrySetResult(text);
    }
}
