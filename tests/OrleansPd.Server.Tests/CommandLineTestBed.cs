using OrleansPd.Server.CommandLine;
using OrleansPd.Server.Commands;
using OrleansPd.Server.Settings;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Tests;

/// <summary>Runs commands as the process would, with everything around them in hand.</summary>
internal sealed class CommandLineTestBed
{
    private readonly SignallingWriter _out = new();
    private readonly StringWriter _error = new();

    public CommandLineTestBed(params (string Name, string Value)[] environment) => Context = new()
    {
        Environment = environment.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.OrdinalIgnoreCase),
        Error = _error,
        Out = _out,
    };

    public CommandContext Context { get; }

    public string Out => _out.ToString();

    public string Error => _error.ToString();

    /// <summary>Called when the command has written its first line.</summary>
    public Action FirstLine
    {
        set => _out.FirstLine = value;
    }

    /// <summary>Called after each line with all that was written so far.</summary>
    public Action<string> Said
    {
        set => _out.Said = value;
    }

    public Task<int> RunAsync(params string[] args) => RunUntilAsync(TestContext.Current.CancellationToken, args);

    public Task<int> RunUntilAsync(CancellationToken stop, params string[] args) => CommandTree.RunAsync(args, Context, stop);

    public GatewaySettings Load(params string[] args)
    {
        var flags = new GatewayFlagSet();
        var command = new DocumentedCommand("gateway", "");
        flags.AddTo(command);
        var parsed = command.Parse(args);
        Assert.Empty(parsed.Errors);
        return GatewaySettings.Load(parsed, flags, Context.Environment);
    }

    private sealed class SignallingWriter : StringWriter
    {
        public Action? FirstLine { get; set; }

        public Action<string>? Said { get; set; }

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            Said?.Invoke(ToString());
        }

        public override async Task WriteLineAsync(string? value)
        {
            await base.WriteLineAsync(value);
            FirstLine?.Invoke();
            FirstLine = null;
        }
    }
}
