"""A draw's seed and commitment never change, and nothing of it once it was revealed."""

from django.db import migrations


class Migration(migrations.Migration):
    """Whoever asks, superusers included; TRUNCATE stays possible, see `config.append_only`."""

    dependencies = [("queues", "0001_initial")]
    operations = [
        migrations.RunSQL(
            sql="""
                CREATE FUNCTION queues_draw_stands() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF OLD.revealed_at IS NOT NULL THEN
                        RAISE EXCEPTION 'this draw was revealed, % refused', TG_OP
                            USING ERRCODE = 'restrict_violation';
                    END IF;
                    IF TG_OP = 'DELETE' THEN
                        RETURN OLD;
                    END IF;
                    IF (NEW.item_id, NEW.seed, NEW.commit) IS DISTINCT FROM
                       (OLD.item_id, OLD.seed, OLD.commit) THEN
                        RAISE EXCEPTION 'a draw keeps its seed and commitment'
                            USING ERRCODE = 'restrict_violation';
                    END IF;
                    RETURN NEW;
                END $$;
                CREATE TRIGGER queues_draw_stands BEFORE UPDATE OR DELETE ON queues_draw
                    FOR EACH ROW EXECUTE FUNCTION queues_draw_stands();
            """,
            reverse_sql=(
                "DROP TRIGGER queues_draw_stands ON queues_draw;"
                " DROP FUNCTION queues_draw_stands();"
            ),
        )
    ]
