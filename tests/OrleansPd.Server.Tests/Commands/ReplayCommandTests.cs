using System.Text.Json;
using OrleansPd.Testing;

namespace OrleansPd.Server.Tests.Commands;

public sealed class ReplayCommandTests
{
    [Fact]
    public async Task The_report_is_written_for_people_and_for_programs()
    {
        await using var stub =
            await StubEngine.StartAsync((context, _) => StubEngine.StreamAsync(context, StubEngine.GenerateFrames(2)));
        using var file = new TemporaryFile("");
        var bed = new CommandLineTestBed();

        var code = await bed.RunAsync("replay", "--url", stub.Url.ToString(), "--speed", "0", "--limit", "20", "--json",
            file.Path);

        Assert.Equal((0, ""), (code, bed.Error));
        Assert.Contains("20 succeeded, 0 failed", bed.Out);
        Assert.Contains("time to first token", bed.Out);
        Assert.DoesNotContain('\e', bed.Out);
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(file.Path, TestContext.Current.CancellationToken));
        Assert.Equal((20, 20), (json.RootElement.GetProperty("succeeded").GetInt32(),
            json.RootElement.GetProperty("ttft_ms").GetProperty("count").GetInt32()));
        Assert.True(json.RootElement.GetProperty("e2e_ms").GetProperty("p99").GetDouble() > 0);
    }

    [Fact]
    public async Task A_replay_with_errors_ends_with_exit_code_1()
    {
        await using var stub = await StubEngine.StartAsync((context, _) => StubEngine.StreamAsync(context, "[DONE]"));
        var bed = new CommandLineTestBed();

        Assert.Equal(1, await bed.RunAsync("replay", "--url", stub.Url.ToString(), "--speed", "0", "--limit", "2"));
        Assert.Contains("2 x no output", bed.Out);
    }
}
