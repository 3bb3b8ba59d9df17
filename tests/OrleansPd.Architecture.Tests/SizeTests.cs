using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace OrleansPd.Architecture.Tests;

/// <summary>Sizes of files and methods, and the place of each file.</summary>
public sealed class SizeTests
{
    private const int LinesOfFile = 300, LinesOfMethod = 60, ReasonsAllowed = 3;
    private const string Reason = "// Over 300 lines because ";

    [Fact]
    public void A_file_has_at_most_300_lines_or_says_in_its_header_why_not()
    {
        var large = Repository.Sources.ToDictionary(file => file, Read).Where(source => source.Value.Length > LinesOfFile)
            .ToArray();
        var explained = large.Where(
            source => source.Value.Take(40).Any(line => line.StartsWith(Reason, StringComparison.Ordinal)))
            .Select(source => source.Key).ToArray();
        ArrowTests.AssertNone($"Over {LinesOfFile} lines, and no line '{Reason}...' in the header:",
            large.Select(source => source.Key).Except(explained).Select(file => $"{file}: {Read(file).Length} lines"));
        Assert.True(explained.Length <= ReasonsAllowed, $"more than {ReasonsAllowed} long files: {string.Join(", ", explained)}");
    }

    [Fact]
    public void A_method_has_at_most_60_lines() => ArrowTests.AssertNone(
        $"Methods over {LinesOfMethod} lines:",
        from file in Repository.Sources
        let root = CSharpSyntaxTree.ParseText(File.ReadAllText(Path.Combine(Repository.Root, file))).GetRoot()
        from body in root.DescendantNodes().OfType<BlockSyntax>()
        where body.Parent is BaseMethodDeclarationSyntax or AccessorDeclarationSyntax or LocalFunctionStatementSyntax
        let lines = body.GetLocation().GetLineSpan() is var span ? span.EndLinePosition.Line - span.StartLinePosition.Line - 1 : 0
        where lines > LinesOfMethod
        select $"{file}: {Name(body.Parent!)}");

    /// <summary>The build reports missing braces around several lines (IDE0011); this finds superfluous ones.</summary>
    [Fact]
    public void A_body_of_one_line_has_no_braces() => ArrowTests.AssertNone(
        "Braces around a body of one line:",
        from file in Repository.Sources
        let root = CSharpSyntaxTree.ParseText(File.ReadAllText(Path.Combine(Repository.Root, file))).GetRoot()
        from statement in root.DescendantNodes().OfType<StatementSyntax>()
        let parts = Parts(statement).ToArray()
        where parts.Length > 0 && parts.All(part => IsOneLine(part.Head) && IsOneLiner(part.Body))
        select $"{file}:{statement.GetLocation().GetLineSpan().StartLinePosition.Line + 1}");

    [Fact]
    public void A_namespace_is_its_folder() => ArrowTests.AssertNone(
        "Files whose namespace is not their folder:",
        from file in Repository.Sources
        let expected = Path.GetDirectoryName(file)!["src/".Length..].Replace(Path.DirectorySeparatorChar, '.')
        let declared = Read(file).FirstOrDefault(line => line.StartsWith("namespace ", StringComparison.Ordinal))
        where declared is not null && declared != $"namespace {expected};"
        select $"{file}: {declared}");

    /// <summary>The heads and bodies of a loop or lock, or of an <c>if</c> with all that follows by <c>else</c>.</summary>
    private static IEnumerable<(SyntaxNodeOrToken[] Head, StatementSyntax Body)> Parts(StatementSyntax statement)
    {
        switch (statement)
        {
            case ForStatementSyntax loop:
                return [([loop.ForKeyword, loop.CloseParenToken], loop.Statement)];
            case CommonForEachStatementSyntax loop:
                return [([loop.ForEachKeyword, loop.CloseParenToken], loop.Statement)];
            case LockStatementSyntax held:
                return [([held.LockKeyword, held.CloseParenToken], held.Statement)];
            case UsingStatementSyntax held:
                return [([held.UsingKeyword, held.CloseParenToken], held.Statement)];
            case FixedStatementSyntax held:
                return [([held.FixedKeyword, held.CloseParenToken], held.Statement)];
            case WhileStatementSyntax loop:
                return [([loop.WhileKeyword, loop.CloseParenToken], loop.Statement)];
            case IfStatementSyntax { Parent: not ElseClauseSyntax } first:
                return Chain(first);
            default:
                return [];
        }

        static IEnumerable<(SyntaxNodeOrToken[] Head, StatementSyntax Body)> Chain(IfStatementSyntax first)
        {
            for (IfStatementSyntax? at = first; at is not null; at = at.Else?.Statement as IfStatementSyntax)
            {
                yield return ([at.IfKeyword, at.CloseParenToken], at.Statement);
                if (at.Else is { Statement: not IfStatementSyntax } last)
                    yield return ([last.ElseKeyword], last.Statement);
            }
        }
    }

    private static bool IsOneLine(params SyntaxNodeOrToken[] parts) =>
        parts[0].GetLocation()!.GetLineSpan().StartLinePosition.Line == parts[^1].GetLocation()!.GetLineSpan().EndLinePosition.Line;

    /// <summary>A block with one statement of one line that could stand without the block.</summary>
    private static bool IsOneLiner(StatementSyntax body) => body is BlockSyntax { Statements: [var only] }
        && only is not (LocalDeclarationStatementSyntax or LocalFunctionStatementSyntax or LabeledStatementSyntax
            or IfStatementSyntax or BlockSyntax)
        && IsOneLine(only)
        && !body.DescendantTrivia().Any(t => t.IsKind(SyntaxKind.SingleLineCommentTrivia) || t.IsDirective);

    private static string[] Read(string file) => File.ReadAllLines(Path.Combine(Repository.Root, file));

    private static string Name(SyntaxNode member) => member switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        LocalFunctionStatementSyntax function => function.Identifier.Text,
        ConstructorDeclarationSyntax constructor => $"constructor of {constructor.Identifier.Text}",
        AccessorDeclarationSyntax { Parent.Parent: PropertyDeclarationSyntax property } => property.Identifier.Text,
        _ => member.Kind().ToString(),
    };
}
