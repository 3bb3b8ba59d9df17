using System.CommandLine.Help;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Server.Commands;

/// <summary>All commands, and the exit code of each outcome.</summary>
internal static class CommandTree
{
    private const string About =
        "OrleansPd: a gateway and control plane for SGLang engines that run prefill and decode apart. "
        + "Try 'orleanspd demo' first: it needs no GPU.";

    public static RootCommand Create(CommandContext context)
    {
        var root = new RootCommand(About)
        {
            DemoCommand.Create(context),
            GatewayCommand.Create(context),
            DevCommand.Create(context),
            EngineCommand.Create(context),
            BootstrapCommand.Create(context),
            ReplayCommand.Create(context),
            WorkersCommand.Create(context),
            PoolsCommand.Create(context),
        };
        foreach (var help in root.Options.OfType<HelpOption>())
            help.Action = new GroupedHelp(context);
        return root;
    }

    /// <summary>Parses and runs; returns the exit code. Cancellation is a normal end.</summary>
    public static async Task<int> RunAsync(string[] args, CommandContext context, CancellationToken cancellationToken)
    {
        var parsed = Parse(args.Length == 0 ? ["--help"] : args, context);
        try
        {
            if (parsed.Errors.Count > 0 && parsed.Action is not GroupedHelp)
                throw new BadInputException(ParseProblem.Explain(parsed));
            return await parsed.InvokeAsync(
                new InvocationConfiguration
                {
                    EnableDefaultExceptionHandler = false,
                    Error = context.Error,
                    Output = context.Out,
                    ProcessTerminationTimeout = null,
                },
                cancellationToken);
        }
        catch (BadInputException error)
        {
            context.Error.WriteLine($"error: {error.Message}");
            context.Error.WriteLine($"'{CommandPath.Of(parsed.CommandResult.Command)} --help' lists commands and flags.");
            return ExitCode.BadInput;
        }
        catch (TraceFormatException error)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.BadInput;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            return ExitCode.Success;
        }
        catch (CommandFailedException error)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.Failure;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            context.Error.WriteLine($"error: {error.Message}");
            return ExitCode.Failure;
        }
        catch (Exception error)
        {
            // A bug; a report of it needs the whole text.
            context.Error.WriteLine($"error: {error}");
            return ExitCode.Failure;
        }
    }

    private static ParseResult Parse(string[] args, CommandContext context)
    {
        var root = Create(context);
        var configuration = new ParserConfiguration { ResponseFileTokenReplacer = null };
        var parsed = root.Parse(args, configuration);
        return parsed.Errors.Count == 0 && ParseProblem.FlagAmongValues(parsed) is { } unknown
            ? root.Parse([.. CommandPath.Of(parsed.CommandResult.Command).Split(' ').Skip(1), unknown], configuration)
            : parsed;
    }
}
